// What can be done with an answer.

import { html } from "../view.mjs";
import { textOf } from "../store/message.mjs";
import { MessageActions } from "./MessageActions.mjs";
import * as conversation from "./conversation.mjs";
import { chooseModel } from "./ModelPicker.mjs";

export function AnswerActions({ message }) {
  const isCutShort = conversation.isCutShort(message);
  const actions = [
    { name: "message.regenerate", icon: "refresh-cw", run: () => conversation.regenerate(message) },
    isCutShort && { name: "message.continue", icon: "fast-forward", run: () => conversation.goOn(message) },
    { name: "message.edit", icon: "pencil", run: () => conversation.edit(message.id) },
  ];
  const more = [
    { name: "message.regenerateWith", icon: "box", run: (source) => anotherModel(message, source) },
    !isCutShort && { name: "message.continue", icon: "fast-forward", run: () => conversation.goOn(message) },
    { name: "message.fork", icon: "git-branch", run: () => conversation.fork(message) },
    null,
    { name: "message.delete", icon: "trash-2", isDanger: true, run: () => conversation.remove(message) },
  ];
  return html`<${MessageActions} text=${textOf(message)} actions=${actions} more=${more.filter((item) => item !== false)} />`;
}

function anotherModel(message, source) {
  chooseModel(source, { selected: message.model, onChoose: ({ id }) => conversation.regenerate(message, id) });
}
