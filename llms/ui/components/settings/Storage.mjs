// What this browser keeps: how much, for how long, and the ways out and in.

import { bytes, percent } from "../../i18n/format.mjs";
import { t } from "../../i18n/t.mjs";
import { settings } from "../../settings.mjs";
import { isExportDue, keepForGood, room } from "../../store/quota.mjs";
import { useThreadStore } from "../../threadStore.mjs";
import { html, useEffect, useState } from "../../view.mjs";
import { exportAll } from "../files.mjs";
import { Icon } from "../Icon.mjs";
import { openSurface } from "../shell.mjs";
import { Action, Heading, useFocus } from "./controls.mjs";

export function Panel() {
  const store = useThreadStore();
  const count = store.threads.value.length;
  return html`<${Heading} text=${t("data.storage")} />
    <${Room} isKept=${store.isPersistent.value} threads=${store.threads.value} />
    <${Heading} text=${t("data.files")} />
    <${Action}
      label=${t("data.exportAll")}
      hint=${t("data.exportHint")}
      name=${t("data.export")}
      disabled=${count === 0}
      run=${exportAll}
    />
    <${Action} label=${t("data.import")} hint=${t("data.importHint")} name=${t("data.import")} run=${() => openSurface("files")} />
    <${Heading} text=${t("data.danger")} />
    <${DeleteAll} count=${count} />`;
}

function Room({ isKept, threads }) {
  const [told, setTold] = useState(null);
  const read = () => room().then(setTold);
  useEffect(() => void read(), []);
  const persist = async () => {
    await keepForGood();
    await read();
  };
  if (!isKept) return html`<p class="notice warn"><${Icon} name="triangle-alert" /><span>${t("data.nothingKept")}</span></p>`;
  if (!told) return null;
  return html`<div class="storage">
    ${told.quota !== null &&
    html`<progress class="progress" max="1" value=${told.usage / told.quota} aria-label=${t("data.storage")} />
      <p class="setting-hint numeric">${t("data.storageUsed", { used: bytes(told.usage), total: bytes(told.quota) })} (${percent(told.usage / told.quota, 1)})</p>`}
    <p class="setting-hint">${t("data.where")} ${t(told.isPersisted ? "data.persisted" : "data.notPersisted")}</p>
    ${isDue(told, threads) && html`<p class="notice warn"><${Icon} name="triangle-alert" /><span>${t("data.exportDue")}</span></p>`}
    ${!told.isPersisted && html`<button type="button" class="button small" onClick=${persist}>${t("data.persist")}</button>`}
  </div>`;
}

function isDue({ isPersisted }, threads) {
  const oldest = Math.min(...threads.map(({ createdAt }) => createdAt));
  return isExportDue({ isPersisted, threads: threads.length, oldest, lastExport: settings.lastExport.value, now: Date.now() });
}

// The one deletion that is asked about first; it can be taken back all the same, for as long as the others.
function DeleteAll({ count }) {
  const [isAsked, setAsked] = useState(false);
  const store = useThreadStore();
  const remove = () => {
    setAsked(false);
    return store.deleteThreads(store.threads.peek().map(({ id }) => id));
  };
  if (!isAsked) return html`<${Action}
    label=${t("data.deleteAll")}
    name=${t("action.delete")}
    isDanger=${true}
    disabled=${count === 0}
    run=${() => setAsked(true)}
  />`;
  return html`<${Question} count=${count} onNo=${() => setAsked(false)} onYes=${remove} />`;
}

function Question({ count, onNo, onYes }) {
  const no = useFocus();
  return html`<div class="setting" role="alertdialog" aria-label=${t("data.deleteAll")}>
    <p class="setting-label">${t("data.deleteAllConfirm", { count })}</p>
    <div class="button-row">
      <button type="button" class="button" ref=${no} onClick=${onNo}>${t("action.cancel")}</button>
      <button type="button" class="button danger primary" onClick=${onYes}>${t("data.deleteAll")}</button>
    </div>
  </div>`;
}
