// The models of the server's machine: what is there, what is in memory, what is being downloaded, and more to download.

import { deleteModel, loadModel, unloadModel } from "../../api/localModels.mjs";
import { refreshModels } from "../../api/models.mjs";
import { bytes, duration, percent } from "../../i18n/format.mjs";
import { t } from "../../i18n/t.mjs";
import { html, useEffect, useId, useState } from "../../view.mjs";
import { Icon } from "../Icon.mjs";
import { Heading, Problem, useFocus } from "./controls.mjs";
import { download, downloads, forget } from "./downloads.mjs";
import { localModels, readLocalModels } from "./server.mjs";

const CATALOGUE = [{ source: "smollm2", name: "SmolLM2 135M Instruct", size: 98_362_432 }];
const AGAIN = 2000; // milliseconds between two looks at what is in memory
const DOTS = { loaded: "good", loading: "warn", failed: "bad", unloaded: "" };

export function Panel() {
  useFreshRows();
  const rows = localModels.value ?? [];
  const missing = CATALOGUE.filter(({ source }) => !rows.some(({ file }) => file === source) && !downloads.value.has(source));
  return html`<${Heading} text=${t("local.get")} />
    <${SourceField} />
    <ul class="rows">
      ${[...downloads.value.values()].map((each) => html`<${DownloadRow} key=${each.source} ...${each} />`)}
      ${missing.map((each) => html`<${OfferRow} key=${each.source} ...${each} />`)}
    </ul>
    <${Heading} text=${t("local.here")} />
    ${rows.length === 0 && html`<p class="empty-note">${t("local.none")}</p>`}
    <ul class="rows">
      ${rows.map((row) => html`<${LocalRow} key=${row.id} row=${row} />`)}
    </ul>`;
}

// A model of a hub, by its name there, or any file by its address.
function SourceField() {
  const id = useId();
  const [source, setSource] = useState("");
  const begin = (event) => {
    event.preventDefault();
    if (source.trim()) download(source.trim());
    setSource("");
  };
  return html`<form class="field pull-form" onSubmit=${begin}>
    <label class="field-label" for=${id}>${t("pull.placeholder")}</label>
    <div class="pull-row">
      <input
        class="input"
        id=${id}
        dir="ltr"
        autocomplete="off"
        spellcheck=${false}
        placeholder="owner/repo:Q4_K_M"
        value=${source}
        aria-describedby=${`${id}-hint`}
        onInput=${(event) => setSource(event.currentTarget.value)}
      />
      <button type="submit" class="button primary" disabled=${!source.trim()}>${t("pull.start")}</button>
    </div>
    <p class="field-hint" id=${`${id}-hint`}>${t("pull.hint")}</p>
  </form>`;
}

function OfferRow({ source, name, size }) {
  return html`<li class="row">
    <${Icon} name="box" />
    <div class="row-text"><span class="setting-label">${name}</span><span class="setting-hint">${source} · ${bytes(size)}</span></div>
    <button
      type="button"
      class="button small"
      aria-label=${`${t("pull.start")}: ${name}`}
      onClick=${() => download(source)}
    >
      ${t("pull.start")}
    </button>
  </li>`;
}

function DownloadRow({ source, status, completed, total, speed, error, stop }) {
  const share = total ? completed / total : null;
  return html`<li class="row">
    <${Icon} name=${error ? "circle-alert" : "download"} />
    <div class="row-text">
      <span class="setting-label" dir="ltr">${source}</span>
      ${error && html`<${Problem} error=${error} />`}
      ${!error && html`<progress class="progress" max="1" value=${share ?? undefined} aria-label=${t("pull.start")} />`}
      ${!error && html`<span class="setting-hint numeric" role="status">${progressText({ status, completed, total, speed, share })}</span>`}
    </div>
    ${error
      ? html`<button type="button" class="button small" onClick=${() => download(source)}>${t("action.retry")}</button>
          <button
            type="button"
            class="icon-button small"
            aria-label=${t("action.dismiss")}
            onClick=${() => forget(source)}
          >
            <${Icon} name="x" />
          </button>`
      : html`<button type="button" class="button small" aria-label=${t("pull.cancel")} onClick=${stop}>${t("action.cancel")}</button>`}
  </li>`;
}

function progressText({ status, completed, total, speed, share }) {
  if (status === "verifying") return t("pull.verifying");
  if (!total) return t("run.waiting", { provider: t("pull.hub") });
  const left = speed > 0 ? duration((total - completed) / speed) : null;
  const parts = { done: bytes(completed), total: bytes(total), left };
  return `${percent(share)} · ${left ? t("pull.progress", parts) : t("data.storageUsed", { used: parts.done, total: parts.total })}`;
}

function LocalRow({ row }) {
  const [busy, setBusy] = useState(null);
  const [error, setError] = useState(null);
  const act = (name, action) => async () => {
    setBusy(name);
    setError(null);
    await action(row.id).catch(setError);
    await Promise.all([readLocalModels().catch(() => {}), refreshModels()]);
    setBusy(null);
  };
  const isLoading = busy === "load" || row.state === "loading";
  return html`<li class="row" data-state=${row.state}>
    <span class=${`dot ${DOTS[row.state] ?? ""}`} />
    <div class="row-text">
      <span class="setting-label" dir="ltr">${row.id}</span>
      <span class="setting-hint numeric">${noteOf(row)}</span>
      <${Problem} error=${error} />
    </div>
    ${isLoading && html`<span class="spinner" role="status" aria-label=${t("model.loading")} />`}
    ${row.provider && row.state === "loaded" && html`<button
      type="button"
      class="button small"
      disabled=${busy}
      onClick=${act("unload", unloadModel)}
    >
      ${t("local.unload")}
    </button>`}
    ${row.provider && row.state !== "loaded" && html`<button
      type="button"
      class="button small"
      disabled=${isLoading}
      onClick=${act("load", loadModel)}
    >
      ${t("local.load")}
    </button>`}
    ${row.file && html`<${DeleteButton} name=${row.id} disabled=${busy !== null} run=${act("delete", deleteModel)} />`}
  </li>`;
}

// A file of some gigabytes is not brought back by a button: the second press counts.
function DeleteButton({ name, disabled, run }) {
  const [isAsked, setAsked] = useState(false);
  if (isAsked) return html`<${Sure} onNo=${() => setAsked(false)} onYes=${run} />`;
  return html`<button
    type="button"
    class="icon-button small"
    aria-label=${`${t("action.delete")}: ${name}`}
    disabled=${disabled}
    onClick=${() => setAsked(true)}
  >
    <${Icon} name="trash-2" />
  </button>`;
}

function Sure({ onNo, onYes }) {
  const button = useFocus();
  return html`<button
    type="button"
    class="button small danger primary"
    ref=${button}
    onBlur=${onNo}
    onClick=${onYes}
  >
    ${t("local.reallyDelete")}
  </button>`;
}

function noteOf({ state, problem, memory_bytes: memory, size, busy, idle_for: idle }) {
  return [
    t(`local.${state}`),
    memory && t("local.memory", { size: bytes(memory) }),
    size && t("local.file", { size: bytes(size) }),
    busy > 0 && t("local.busy", { count: busy }),
    idle > 60 && t("local.idle", { time: duration(Math.round(idle / 60) * 60) }),
    problem,
  ].filter(Boolean).join(" · ");
}

function useFreshRows() {
  useEffect(() => {
    const read = () => document.hidden || readLocalModels().catch(() => {});
    read();
    const timer = setInterval(read, AGAIN);
    return () => clearInterval(timer);
  }, []);
}
