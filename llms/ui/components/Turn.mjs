// One message of the conversation. It is rendered again only when something of its own has changed: a conversation may
// have hundreds, and one of them grows many times a second.

import { Component, html } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { MessageAssistant } from "./MessageAssistant.mjs";
import { MessageUser } from "./MessageUser.mjs";

const KINDS = {
  user: { component: MessageUser, name: "user-message" },
  assistant: { component: MessageAssistant, name: "assistant-message" },
};

// siblings: ids of the versions, joined by spaces; run: of an answer that is written here; isLatest: the last of its kind.
export class Turn extends Component {
  shouldComponentUpdate(next) {
    return Object.keys(next).some((name) => next[name] !== this.props[name]);
  }

  render({ message, siblings, run, isLatest }) {
    const { component, name } = KINDS[message.role] ?? KINDS.assistant;
    const classes = ["turn", name, isLatest && "latest", !run && !isLatest && "settled"].filter(Boolean).join(" ");
    const label = message.role === "user" ? t("message.you") : t("message.answerOf", { model: message.model ?? t("app.name") });
    return html`<article class=${classes} id=${`m-${message.id}`} data-id=${message.id} tabindex="-1" aria-label=${label} aria-busy=${run ? "true" : undefined}>
      <${component} message=${message} siblings=${siblings.split(" ")} run=${run} />
    </article>`;
  }
}
