// What is attached to the next message, with what the chosen model cannot make anything of.

import { html } from "../view.mjs";
import { Attachments } from "./Attachments.mjs";
import { warningFor } from "./attaching.mjs";
import { attachments, detach } from "./composing.mjs";
import { currentModel } from "./conversation.mjs";

export function DraftAttachments() {
  const parts = attachments.value;
  const model = currentModel.value;
  return html`<${Attachments} parts=${parts} warnings=${parts.map((part) => warningFor(part, model))} onRemove=${detach} />`;
}
