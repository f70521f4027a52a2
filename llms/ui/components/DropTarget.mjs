// Files that are dragged over the page can be dropped anywhere on it.

import { html, useEffect, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { focus } from "./composing.mjs";
import { Icon } from "./Icon.mjs";

export function DropTarget() {
  const [isOver, setOver] = useState(false);
  useEffect(() => listen(setOver), []);
  return isOver && html`<div class="drop-target"><${Icon} name="upload" class="large" />${t("attach.drop")}</div>`;
}

function listen(setOver) {
  const leaving = new AbortController();
  const on = (name, callback) => document.addEventListener(name, (event) => hasFiles(event) && callback(event), { signal: leaving.signal });
  on("dragover", (event) => {
    event.preventDefault();
    setOver(true);
  });
  on("dragleave", (event) => event.relatedTarget === null && setOver(false));
  on("drop", async (event) => {
    event.preventDefault();
    setOver(false);
    const files = [...event.dataTransfer.files];
    (await import("./attaching.mjs")).attachFiles(files);
    focus();
  });
  return () => leaving.abort();
}

function hasFiles({ dataTransfer }) {
  return dataTransfer?.types.includes("Files") ?? false;
}
