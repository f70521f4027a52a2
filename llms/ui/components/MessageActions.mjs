// What can be done with a message: two or three buttons, everything else in a menu.

import { html, useRef, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { Icon } from "./Icon.mjs";
import { Menu } from "./Menu.mjs";
import { copyText } from "./copying.mjs";
import { notify, say } from "./notices.mjs";

const COPIED_FOR = 1600; // milliseconds

// actions, more: [{name: key of its label, icon, run(source), isDanger} or null]; text: what "copy" copies.
export function MessageActions({ text, actions, more = [] }) {
  const [source, setSource] = useState(null);
  const items = more.map((action) => action && { ...action, label: t(action.name) });
  return html`<div class="message-actions">
    ${text && html`<${CopyButton} text=${text} />`}
    ${actions.filter(Boolean).map(({ name, icon, run }) => html`<${ActionButton} key=${name} name=${name} icon=${icon} onClick=${(event) => run(event.currentTarget)} />`)}
    ${items.length > 0 &&
    html`<${ActionButton} name="action.more" icon="ellipsis" isOpen=${source !== null} onClick=${(event) => setSource(source ? null : event.currentTarget)} />`}
    ${source && html`<${Menu} items=${items} source=${source} label=${t("action.more")} onClose=${() => setSource(null)} />`}
  </div>`;
}

function ActionButton({ name, icon, onClick, isOpen, isDone = false }) {
  const label = t(name);
  return html`<button type="button" class="icon-button small" aria-label=${label} title=${label} aria-haspopup=${isOpen === undefined ? undefined : "menu"} aria-expanded=${isOpen} data-done=${isDone} onClick=${onClick}>
    <${Icon} name=${icon} />
  </button>`;
}

function CopyButton({ text }) {
  const [isDone, setDone] = useState(false);
  const timer = useRef(null);
  const copy = async () => {
    try {
      await copyText(text);
    } catch {
      return void notify(t("toast.copyFailed"), { icon: "circle-alert" });
    }
    setDone(true);
    say(t("action.copied"));
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setDone(false), COPIED_FOR);
    return undefined;
  };
  return html`<${ActionButton} name=${isDone ? "action.copied" : "message.copy"} icon=${isDone ? "check" : "copy"} isDone=${isDone} onClick=${copy} />`;
}
