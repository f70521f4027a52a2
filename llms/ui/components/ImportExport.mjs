// Chats out of files and into them.

import { number } from "../i18n/format.mjs";
import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useState } from "../view.mjs";
import { Dialog } from "./Dialog.mjs";
import { Icon } from "./Icon.mjs";
import { chooseFiles, exportAll, exportThread, save } from "./files.mjs";
import { withSheet } from "./lazy.mjs";
import { selection } from "./shell.mjs";

await withSheet("settings");

const REASONS = {
  not_json: "import.notJson",
  unknown_format: "import.unknownFormat",
  newer_version: "import.newerVersion",
  empty: "import.empty",
};

export function ImportExport({ onClose }) {
  return html`<${Dialog} title=${`${t("data.import")}, ${t("data.export")}`} onClose=${onClose}>
    <div class="dialog-body form">
      <${Import} />
      <${Export} />
    </div>
  <//>`;
}

function Import() {
  const [progress, setProgress] = useState(null);
  const [outcome, setOutcome] = useState([]);
  const store = useThreadStore();
  const take = async (files) => {
    const told = [];
    for (const file of files) {
      setProgress({ name: file.name, share: null });
      told.push(await brought(store, file, (done, all) => setProgress({ name: file.name, share: all ? done / all : 1 })));
      setOutcome([...told]);
    }
    setProgress(null);
  };
  return html`<section class="drop-zone" aria-labelledby="import-title" ...${dropping(take)}>
    <${Icon} name="upload" class="large" />
    <h3 id="import-title">${t("data.import")}</h3>
    <p class="setting-hint">${t("data.importHint")}</p>
    <button
      type="button"
      class="button"
      autofocus
      disabled=${progress !== null}
      onClick=${async () => take(await chooseFiles({ accept: ".json,application/json", multiple: true }))}
    >
      ${t("import.choose")}
    </button>
    ${progress && html`<progress class="progress" max="1" value=${progress.share ?? undefined} aria-label=${progress.name} />`}
    <div role="status">${outcome.map((told) => html`<${Told} key=${told.text} ...${told} />`)}</div>
  </section>`;
}

function Told({ text, isBad }) {
  return html`<p class=${isBad ? "field-error" : "import-good"}><${Icon} name=${isBad ? "circle-alert" : "circle-check"} class="small" />${text}</p>`;
}

// Handlers for an element on which files may be dropped; the page's own does not hear of them.
function dropping(take) {
  const ours = (event) => {
    event.preventDefault();
    event.stopPropagation();
    delete event.currentTarget.dataset.drop;
  };
  const over = (event) => {
    ours(event);
    event.currentTarget.dataset.drop = "true";
  };
  const drop = (event) => {
    ours(event);
    take([...event.dataTransfer.files]);
  };
  return { onDragOver: over, onDragLeave: ours, onDrop: drop };
}

async function brought(store, file, onProgress) {
  try {
    const { added, skipped } = await store.importThreads(file, onProgress);
    const more = skipped ? ` ${t("import.skipped", { count: skipped })}` : "";
    return { text: `${t("data.imported", { count: added })}.${more}`, isBad: false };
  } catch (error) {
    const reason = REASONS[error.code] ? t(REASONS[error.code]) : error.message;
    return { text: t("data.importFailed", { name: file.name, reason }), isBad: true };
  }
}

function Export() {
  const store = useThreadStore();
  const [count, current] = [store.threads.value.length, store.current.value];
  const chosen = [...(selection.value ?? [])];
  const exportChosen = async () => save(await store.exportThreads(chosen));
  return html`<section aria-labelledby="export-title">
    <h3 class="settings-heading" id="export-title">${t("data.export")}</h3>
    ${row("database", `${t("data.exportAll")} (${number(count)})`, t("data.exportHint"), count === 0, [["JSON", exportAll]])}
    ${chosen.length > 0 && row("list-checks", t("thread.selected", { count: chosen.length }), null, false, [["JSON", exportChosen]])}
    ${current &&
    row("message-square", current.title || t("thread.untitled"), t("export.current"), false, [
      ["JSON", () => exportThread(current.id, "json")],
      ["Markdown", () => exportThread(current.id, "markdown")],
    ])}
  </section>`;
}

function row(icon, label, hint, disabled, choices) {
  return html`<div class="row">
    <${Icon} name=${icon} />
    <div class="row-text"><span class="setting-label" dir="auto">${label}</span>${hint && html`<span class="setting-hint">${hint}</span>`}</div>
    <div class="button-row">
      ${choices.map(([name, run]) => html`<button
        type="button"
        class="button small"
        key=${name}
        disabled=${disabled}
        aria-label=${`${label}: ${name}`}
        onClick=${run}
      >
        ${name}
      </button>`)}
    </div>
  </div>`;
}
