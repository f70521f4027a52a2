// What the person said: a bubble, what was attached, and a box to change it.

import { html, useLayoutEffect, useRef, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { textOf } from "../store/message.mjs";
import { Attachments } from "./Attachments.mjs";
import { BranchSwitch } from "./BranchSwitch.mjs";
import { EditBox } from "./EditBox.mjs";
import { MessageActions } from "./MessageActions.mjs";
import * as composing from "./composing.mjs";
import * as conversation from "./conversation.mjs";

const TALLEST = 15; // rem, then the rest is folded away

export function MessageUser({ message, siblings }) {
  const isEdited = conversation.editing.value === message.id;
  const text = textOf(message);
  const attachments = message.parts.filter((part) => part.type !== "text");
  return html`<${Attachments} parts=${attachments} />
    ${isEdited ? html`<${Editing} message=${message} text=${text} />` : text && html`<${Bubble} text=${text} />`}
    ${!isEdited &&
    html`<div class="message-foot">
      <${MessageActions}
        text=${text}
        actions=${[{ name: "message.edit", icon: "pencil", run: () => conversation.edit(message.id) }]}
        more=${[
          { name: "message.regenerate", icon: "refresh-cw", run: () => conversation.answer(message) },
          { name: "message.fork", icon: "git-branch", run: () => conversation.fork(message) },
          null,
          { name: "message.delete", icon: "trash-2", isDanger: true, run: () => conversation.remove(message) },
        ]}
      />
      <${BranchSwitch} siblings=${siblings} shown=${message.id} onShow=${conversation.show} />
    </div>`}`;
}

function Editing({ message, text }) {
  return html`<${EditBox}
    text=${text}
    label=${t("message.edit")}
    onEnd=${leave}
    choices=${[
      { label: t("message.editSave"), run: (changed) => conversation.saveEdit(message, changed) },
      { label: t("message.editSend"), isMain: true, run: (changed) => conversation.sendEdit(message, changed) },
    ]}
  />`;
}

function leave() {
  conversation.edit(null);
  composing.focus();
}

function Bubble({ text }) {
  const place = useRef(null);
  const [isLong, setLong] = useState(false);
  const [isOpen, setOpen] = useState(false);
  useLayoutEffect(() => {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    setLong(place.current.scrollHeight > (TALLEST + 3) * rem);
  }, [text]);
  return html`<div class="bubble" dir="auto" ref=${place} data-collapsed=${String(isLong && !isOpen)}>${text}</div>
    ${isLong &&
    html`<button type="button" class="button small ghost" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      ${t(isOpen ? "message.showLess" : "message.showAll")}
    </button>`}`;
}
