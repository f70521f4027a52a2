// One question, answers of two to four models side by side.

import { models, modelsState } from "../api/models.mjs";
import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../view.mjs";
import { Column } from "./compare/Column.mjs";
import { MOST, addModel, ask, begin, columns, hasBegun, isBusy, stop, threadId } from "./compare/comparing.mjs";
import { Icon } from "./Icon.mjs";
import { chooseModel } from "./ModelPicker.mjs";
import { withSheet } from "./lazy.mjs";

await withSheet("compare");

export function ComparePage() {
  const isReady = modelsState.value.state === "read" || models.value.length > 0;
  const store = useThreadStore();
  useLayoutEffect(() => {
    if (!isReady) return;
    if (!columns.peek().length || !hasBegun.peek()) begin();
    else if (store.currentId.peek() !== threadId.peek()) store.openThread(threadId.peek());
  }, [isReady]);
  const add = ({ currentTarget }) => chooseModel(currentTarget, { onChoose: addModel });
  return html`<div class="compare-page" id="conversation" tabindex="-1">
      <div class="compare-bar">
        <p class="quiet">${t("compare.hint")}</p>
        <button
          type="button"
          class="button small"
          disabled=${columns.value.length >= MOST || hasBegun.value}
          onClick=${add}
        >
          <${Icon} name="plus" class="small" />${t("compare.add")}
        </button>
        ${hasBegun.value && html`<button
          type="button"
          class="button small"
          onClick=${begin}
        >
          <${Icon} name="rotate-ccw" class="small" />${t("compare.again")}
        </button>`}
      </div>
      <div class="compare-columns" style=${{ "--columns": columns.value.length }}>
        ${columns.value.map((column) => html`<${Column} key=${column.key} column=${column} />`)}
      </div>
    </div>
    <div class="dock"><div class="column"><${Question} /></div></div>`;
}

function Question() {
  const [text, setText] = useState("");
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  const send = () => {
    if (!text.trim() || isBusy.value || !columns.peek().length) return;
    ask(text.trim());
    setText("");
  };
  const press = (event) => {
    if (event.isComposing || event.key !== "Enter" || event.shiftKey) return;
    if (!settings.sendOnEnter.peek() && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    send();
  };
  return html`<div class="composer">
    <textarea
      ref=${field}
      class="composer-input"
      data-testid="compare-input"
      dir="auto"
      rows="1"
      aria-label=${t("composer.label")}
      placeholder=${t("composer.placeholderAny")}
      value=${text}
      onInput=${(event) => setText(event.currentTarget.value)}
      onKeyDown=${press}
    />
    <div class="composer-bar">
      <div class="composer-start" />
      <div class="composer-end"><${SendButton} isEmpty=${!text.trim()} onSend=${send} /></div>
    </div>
  </div>`;
}

function SendButton({ isEmpty, onSend }) {
  const busy = isBusy.value;
  return html`<button
    type="button"
    class=${`send-button${busy ? " stop" : ""}`}
    data-testid=${busy ? "compare-stop" : "compare-send"}
    aria-label=${t(busy ? "composer.stop" : "composer.send")}
    disabled=${!busy && (isEmpty || !columns.value.length)}
    onClick=${busy ? stop : onSend}
  >
    <${Icon} name=${busy ? "square" : "arrow-up"} />
  </button>`;
}
