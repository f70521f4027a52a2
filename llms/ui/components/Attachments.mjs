// What goes with a message: pictures as pictures, everything else as a chip with its name.

import { html, useEffect, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { bytes } from "../i18n/format.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { Icon } from "./Icon.mjs";

const ICONS = { image: "image", audio: "audio-lines", file: "file-text" };

// parts: of a message or a draft; warnings: texts by place; onRemove(place), where they may be removed.
export function Attachments({ parts, warnings = [], onRemove = null }) {
  if (!parts.length) return null;
  return html`<ul class="attachments">
    ${parts.map((part, place) => html`<${Attachment} key=${`${place} ${part.blob ?? part.name}`} part=${part} warning=${warnings[place]} onRemove=${onRemove && (() => onRemove(place))} />`)}
  </ul>`;
}

function Attachment({ part, warning, onRemove }) {
  const name = part.name || t("composer.pasted");
  const classes = ["attachment", part.type === "image" && "image", warning && "warn"].filter(Boolean).join(" ");
  return html`<li class=${classes} title=${warning ?? name}>
    ${part.type === "image" ? html`<${Picture} part=${part} name=${name} />` : html`<${Chip} part=${part} name=${name} warning=${warning} />`}
    ${part.type === "audio" && !onRemove && html`<${Sound} part=${part} name=${name} />`}
    ${onRemove &&
    html`<button type="button" class="attachment-remove" aria-label=${t("attach.remove", { name })} onClick=${onRemove}><${Icon} name="x" /></button>`}
  </li>`;
}

function Chip({ part, name, warning }) {
  return html`<span class="attachment-icon"><${Icon} name=${warning ? "triangle-alert" : (ICONS[part.type] ?? "file")} /></span>
    <span class="truncate">
      <span class="attachment-name">${name}</span>
      <span class="attachment-meta">${warning ?? sizeOf(part)}</span>
    </span>`;
}

function Picture({ part, name }) {
  return html`<img src=${useBlob(part.blob) ?? EMPTY} alt=${name} width=${part.width} height=${part.height} />`;
}

function Sound({ part, name }) {
  const url = useBlob(part.blob);
  return url && html`<audio controls preload="metadata" src=${url} aria-label=${name} />`;
}

// The address of a blob, null until it is read.
function useBlob(id) {
  const [url, setUrl] = useState(null);
  useEffect(() => {
    let isWanted = true;
    useThreadStore().blobUrl(id).then((found) => isWanted && setUrl(found));
    return () => (isWanted = false);
  }, [id]);
  return url;
}

const EMPTY = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

function sizeOf({ size, text, mime }) {
  return size === undefined && text === undefined ? (mime ?? "") : bytes(size ?? new Blob([text]).size);
}
