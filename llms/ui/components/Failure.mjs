// The card below a question whose answer failed before it had any text.

import { html, useEffect } from "../view.mjs";
import { refreshModels } from "../api/models.mjs";
import { t } from "../i18n/t.mjs";
import * as conversation from "./conversation.mjs";
import { ErrorCard } from "./ErrorCard.mjs";
import { chooseModel } from "./ModelPicker.mjs";

// message: the question; failure: {error, model, at}.
export function Failure({ message, failure }) {
  const { error, model, at } = failure;
  useEffect(() => {
    if (error.code === "connection_lost") refreshModels(); // where the server is gone, the page begins to look for it
  }, [at]);
  const retry = (other) => conversation.answer(message, other ?? model);
  const change = (source) => chooseModel(source, { selected: model, onChoose: ({ id }) => retry(id) });
  return html`<div class="turn failure">
    <${ErrorCard}
      error=${{ ...error, model: error.model ?? model }}
      at=${at}
      actions=${[
        { label: t("action.retry"), icon: "refresh-cw", isMain: true, run: () => retry() },
        { label: t("error.switchModel"), icon: "box", run: change },
      ]}
    />
  </div>`;
}
