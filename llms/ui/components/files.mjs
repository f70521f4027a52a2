// Files that leave the page and files that come in.

import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";
import { useThreadStore } from "../threadStore.mjs";

// Saves a Blob under a name, as a download.
export function save({ file, name }) {
  const url = URL.createObjectURL(file);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

// Saves one chat; kind: "json" or "markdown".
export async function exportThread(threadId, kind) {
  const store = useThreadStore();
  save(await (kind === "json" ? store.exportThreads(threadId) : store.exportMarkdown(threadId, { labels: labels() })));
}

// The names of the roles in a Markdown file, in the language of the page.
function labels() {
  return {
    user: t("message.you"),
    assistant: t("export.assistant"),
    system: t("thread.systemPrompt"),
    tool: t("tool.result"),
    reasoning: t("usage.reasoningTokens"),
    untitled: t("thread.untitled"),
  };
}

// Lets somebody choose files; resolves with them, with none where nothing was chosen.
export function chooseFiles({ accept = "", multiple = false } = {}) {
  return new Promise((resolve) => {
    const input = Object.assign(document.createElement("input"), { type: "file", accept, multiple });
    input.addEventListener("change", () => resolve([...input.files]));
    input.addEventListener("cancel", () => resolve([]));
    input.click();
  });
}

// Saves everything this browser keeps, and remembers when.
export async function exportAll() {
  save(await useThreadStore().exportThreads());
  settings.lastExport.value = Date.now();
}
