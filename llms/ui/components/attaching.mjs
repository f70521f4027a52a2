// Files and long texts on their way into the composer, and whether the model can make anything of them.

import { t } from "../i18n/t.mjs";
import { bytes } from "../i18n/format.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { attach, reading } from "./composing.mjs";
import { chooseFiles } from "./files.mjs";
import { notify } from "./notices.mjs";

// Lets the person choose files, and reads them.
export async function chooseAttachments() {
  await attachFiles(await chooseFiles({ multiple: true }));
}

// Reads files one after the other; what cannot be used is told.
export async function attachFiles(files) {
  const { readFile } = await import("../attachments/reading.mjs");
  const { keepFile } = useThreadStore();
  reading.value += files.length;
  for (const file of files) {
    try {
      attach([await readFile(file, { keep: keepFile })]);
    } catch (error) {
      notify(problem(error), { icon: "circle-alert", milliseconds: 8000 });
    } finally {
      reading.value -= 1;
    }
  }
}

function problem({ file: name, reason, limit }) {
  if (reason === "tooLarge") return t("attach.tooLarge", { name, limit: bytes(limit) });
  return reason === "noText" ? t("attach.noText", { name }) : t("attach.unreadable", { name });
}

// A long text as an attachment.
export function attachText(text) {
  attach([{ type: "file", name: t("composer.pasted"), mime: "text/plain", size: new Blob([text]).size, text }]);
}

// What is wrong with a part for a model, null for nothing. A model that tells nothing of itself may know everything.
export function warningFor(part, model) {
  if (!model?.capabilities?.size) return null;
  if (part.type === "image" && !model.seesImages) return t("attach.noImages", { model: model.name });
  if (part.type === "audio" && !model.hearsAudio) return t("attach.noAudio", { model: model.name });
  return null;
}
