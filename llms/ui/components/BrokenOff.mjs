// The card below an answer that failed in the middle: its text is kept, and can be gone on with.

import { html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { textOf } from "../store/message.mjs";
import * as conversation from "./conversation.mjs";
import { ErrorCard } from "./ErrorCard.mjs";
import { chooseModel } from "./ModelPicker.mjs";
import { countWords } from "./words.mjs";

export function BrokenOff({ message }) {
  const { model, error } = message;
  const again = (other) => conversation.regenerate(message, other);
  const change = (source) => chooseModel(source, { selected: model, onChoose: ({ id }) => again(id) });
  return html`<${ErrorCard}
    error=${{ ...error, model: error.model ?? model }}
    kept=${countWords(textOf(message))}
    actions=${[
      { label: t("error.continueHere"), icon: "fast-forward", isMain: true, run: () => conversation.goOn(message) },
      { label: t("action.retry"), icon: "refresh-cw", run: () => again() },
      { label: t("error.switchModel"), icon: "box", run: change },
    ]}
  />`;
}
