// Models on their way to the server's machine. They go on while the dialog is closed, and end with the page.

import { pullModel } from "../../api/pull.mjs";
import { refreshModels } from "../../api/models.mjs";
import { t } from "../../i18n/t.mjs";
import { signal } from "../../view.mjs";
import { setModel } from "../conversation.mjs";
import { notify } from "../notices.mjs";
import { readLocalModels } from "./server.mjs";

export const downloads = signal(new Map()); // source -> {source, status, completed, total, speed, error, stop}

// Begins to download, or goes on where it was left; nothing happens where it runs already.
export async function download(source) {
  const running = downloads.peek().get(source);
  if (running && !running.error) return;
  const leaving = new AbortController();
  const begun = performance.now();
  let first = null; // bytes that were there at the beginning
  const note = ({ status, completed, total }) => {
    first ??= completed;
    const seconds = (performance.now() - begun) / 1000;
    change(source, { status, completed, total, speed: seconds > 1 ? (completed - first) / seconds : null });
  };
  change(source, { source, status: "asking", completed: 0, total: null, speed: null, error: null, stop: () => leaving.abort() });
  try {
    arrived(await pullModel(source, { signal: leaving.signal, onProgress: note }));
    forget(source);
  } catch (error) {
    if (leaving.signal.aborted) forget(source);
    else change(source, { error });
  }
}

export function forget(source) {
  const next = new Map(downloads.peek());
  next.delete(source);
  downloads.value = next;
}

async function arrived({ model, id }) {
  await Promise.all([refreshModels(), readLocalModels().catch(() => {})]);
  const action = id ? { label: t("model.use"), run: () => setModel(id) } : undefined;
  notify(t("pull.done", { model }), { icon: "circle-check", action, milliseconds: 10_000 });
}

function change(source, fields) {
  downloads.value = new Map(downloads.peek()).set(source, { ...downloads.peek().get(source), ...fields });
}
