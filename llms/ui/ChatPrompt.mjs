// The composer: where the next message is written, with what goes along with it, and the button that sends it.

import { html, useEffect, useLayoutEffect, useRef } from "./view.mjs";
import { t } from "./i18n/t.mjs";
import { settings } from "./settings.mjs";
import { useThreadStore } from "./threadStore.mjs";
import * as composing from "./components/composing.mjs";
import { currentModel, edit, prepare, setStreams, stop, streams, writing } from "./components/conversation.mjs";
import { Icon } from "./components/Icon.mjs";
import { ModelPicker } from "./components/ModelPicker.mjs";
import { lazy } from "./components/lazy.mjs";
import { closeSurface, surface } from "./components/shell.mjs";

const ContextRing = lazy(() => import("./components/ContextRing.mjs"), "ContextRing");
const DraftAttachments = lazy(() => import("./components/DraftAttachments.mjs"), "DraftAttachments");
const QueuedMessage = lazy(() => import("./components/QueuedMessage.mjs"), "QueuedMessage");
const QUIET = 4000; // milliseconds after the start, then what answers need is fetched
const LONGEST_PASTE = 4000; // characters; more become an attachment
const GROWS_BY_ITSELF = globalThis.CSS?.supports?.("field-sizing", "content") ?? true;

export function ChatPrompt() {
  useEffect(composing.follow, []);
  useEffect(() => {
    const timer = setTimeout(warmUp, QUIET);
    return () => clearTimeout(timer);
  }, []);
  return html`${composing.queued.value && html`<${QueuedMessage} />`}
    <div class="composer" onClick=${({ target, currentTarget }) => target === currentTarget && composing.focus()}>
      ${composing.attachments.value.length > 0 && html`<${DraftAttachments} />`}
      <${Field} />
      <div class="composer-bar">
        <div class="composer-start">
          <${AttachButton} />
          <${ModelPicker} isUp=${true} />
          <${StreamingToggle} />
        </div>
        <div class="composer-end">
          ${hasContext() && html`<${ContextRing} />`}
          <${SendButton} />
        </div>
      </div>
    </div>`;
}

// A ring says something once there is something to measure.
function hasContext() {
  const isBegun = useThreadStore().path.value.length > 0 || composing.text.value !== "";
  return isBegun && Boolean(currentModel.value?.contextWindow);
}

function Field() {
  const field = useRef(null);
  const text = composing.text.value;
  const model = currentModel.value;
  const threadId = useThreadStore().currentId.value;
  useLayoutEffect(() => composing.attachField(field.current), []);
  useLayoutEffect(() => {
    if (!surface.peek() && matchMedia("(pointer: fine)").matches) composing.focus();
  }, [threadId]);
  useLayoutEffect(() => {
    if (!GROWS_BY_ITSELF) grow(field.current);
  }, [text]);
  return html`<textarea
    ref=${field}
    class="composer-input"
    data-testid="chat-input"
    dir="auto"
    rows="1"
    enterkeyhint=${settings.sendOnEnter.value ? "send" : "enter"}
    aria-label=${t("composer.label")}
    placeholder=${model ? t("composer.placeholder", { model: model.name }) : t("composer.placeholderAny")}
    value=${text}
    onFocus=${turned}
    onInput=${typed}
    onKeyDown=${pressed}
    onPaste=${pasted}
  />`;
}

// A field that somebody turns to is not covered by anything. A dialog that closes gives the focus back: that is no turning.
function turned({ relatedTarget }) {
  if (relatedTarget?.closest("dialog[open]")) closeSurface();
}

function typed({ target }) {
  if (surface.peek()) closeSurface();
  warmUp();
  composing.write(target.value);
}

// What cannot be had now is asked for again when something is sent.
function warmUp() {
  prepare().catch(() => {});
}

function pressed(event) {
  if (event.isComposing || event.keyCode === 229) return;
  if (event.key === "Enter" && isSending(event)) {
    event.preventDefault();
    composing.submit();
  } else if (event.key === "ArrowUp" && !event.target.value) {
    const last = useThreadStore().path.peek().findLast(({ role }) => role === "user");
    if (last) edit(last.id);
  }
}

function isSending({ shiftKey, ctrlKey, metaKey, altKey }) {
  if (ctrlKey || metaKey) return true;
  return settings.sendOnEnter.peek() && !shiftKey && !altKey;
}

// Files and long texts become attachments; everything else is the browser's business.
function pasted(event) {
  const files = [...event.clipboardData.files];
  const text = event.clipboardData.getData("text/plain");
  if (text ? text.length <= LONGEST_PASTE : !files.length) return;
  event.preventDefault();
  import("./components/attaching.mjs").then(({ attachFiles, attachText }) => (text ? attachText(text) : attachFiles(files)));
}

function grow(field) {
  field.style.blockSize = "auto";
  field.style.blockSize = `${field.scrollHeight}px`;
}

function AttachButton() {
  const choose = async () => (await import("./components/attaching.mjs")).chooseAttachments();
  return html`<button type="button" class="icon-button" aria-label=${t("composer.attach")} title=${t("composer.attach")} onClick=${choose}>
    ${composing.reading.value ? html`<span class="spinner" />` : html`<${Icon} name="paperclip" />`}
  </button>`;
}

// Whether this conversation's answers come token by token.
function StreamingToggle() {
  const isOn = streams.value;
  return html`<button
    type="button"
    class="chip"
    data-testid="streaming-toggle"
    aria-pressed=${String(isOn)}
    aria-label=${t("composer.streaming")}
    title=${t("settings.streamHint")}
    onClick=${() => setStreams(!isOn)}
  >
    <${Icon} name="zap" class="small" /><span class="only-large">${t("composer.streaming")}</span>
  </button>`;
}

// Sends what is written; while an answer is written it stops that. One button in one place.
function SendButton() {
  const isBusy = writing.value.size > 0;
  const act = () => {
    if (isBusy) stop();
    else composing.submit();
    composing.focus();
  };
  return html`<button
    type="button"
    class=${`send-button${isBusy ? " stop" : ""}`}
    data-testid=${isBusy ? "cancel-button" : "send-button"}
    aria-label=${t(isBusy ? "composer.stop" : "composer.send")}
    title=${t(isBusy ? "composer.stop" : "composer.send")}
    disabled=${!isBusy && (composing.isEmpty.value || composing.reading.value > 0)}
    onClick=${act}
  >
    <${Icon} name=${isBusy ? "square" : "arrow-up"} />
  </button>`;
}
