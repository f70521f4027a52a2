// What is being written for the next message: text and attachments, kept as a draft of its conversation.

import { batch, computed, effect, signal } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { begun, prepare, send, writing } from "./conversation.mjs";
import { lookForUpdate } from "./lazy.mjs";
import { notify } from "./notices.mjs";
import { place } from "./places.mjs";

const store = useThreadStore();

export const text = signal("");
export const attachments = signal([]); // parts, see store/message.mjs
export const isEmpty = computed(() => !text.value.trim() && !attachments.value.length);
export const queued = signal(null); // {threadId, parts}: sent when the answer that is being written is complete
export const reading = signal(0); // files that are being read
const sending = signal(false); // a message is on its way and its answer has not begun

let field = null;

// Tells which textarea it is; returns a function that forgets it.
export function attachField(element) {
  field = element;
  return () => (field = null);
}

export function focus() {
  field?.focus({ preventScroll: true });
}

export function write(value) {
  text.value = value;
  keep();
}

// Begins with a text, to be completed by the person.
export function begin(value) {
  write(value);
  focusAt(value.length);
}

export function quote(value) {
  const quotation = `${value.split("\n").map((line) => `> ${line}`).join("\n")}\n\n`;
  const before = text.peek().replace(/\s*$/, "");
  begin(before ? `${before}\n\n${quotation}` : quotation);
}

export function attach(parts) {
  attachments.value = [...attachments.peek(), ...parts];
  keep();
}

export function detach(index) {
  attachments.value = attachments.peek().filter((_, at) => at !== index);
  keep();
}

// Sends what is there, or keeps it until the answer that is being written is complete.
export async function submit() {
  if (isEmpty.peek() || reading.peek()) return;
  const parts = [...attachments.peek(), ...(text.peek().trim() ? [{ type: "text", text: text.peek().trim() }] : [])];
  const isQueued = writing.peek().size > 0 || sending.peek();
  batch(() => {
    [text.value, attachments.value] = ["", []];
    if (isQueued) queued.value = { threadId: place.peek().threadId, parts: [...(queued.peek()?.parts ?? []), ...parts] };
  });
  keep();
  if (!isQueued) await sendNow(parts);
}

// What cannot be sent comes back into the field.
async function sendNow(parts) {
  sending.value = true;
  try {
    await prepare().catch(async () => {
      await lookForUpdate();
      throw new Error(t("error.network"));
    });
    await send(parts);
  } catch (error) {
    putBack(parts);
    notify(error.message, { icon: "circle-alert" });
  } finally {
    sending.value = false;
  }
}

// Takes what waits back into the field.
export function takeBack() {
  const { parts } = queued.peek() ?? { parts: [] };
  queued.value = null;
  putBack(parts);
}

function putBack(parts) {
  attachments.value = [...parts.filter((part) => !isText(part)), ...attachments.peek()];
  begin([...parts.filter(isText).map((part) => part.text), text.peek()].filter(Boolean).join("\n\n"));
}

// Follows the open conversation: its draft comes, what waits is sent when its time has come. Returns a function that stops.
export function follow() {
  const stops = [effect(() => void load(place.value.threadId)), effect(release)];
  return () => stops.forEach((stop) => stop());
}

let loading = null;

async function load(threadId) {
  if (threadId !== null && threadId === begun.peek()) return settle(threadId);
  const wanted = Symbol("draft");
  loading = wanted;
  const draft = await store.drafts.read(threadId ?? undefined);
  if (loading !== wanted) return;
  text.value = draft.text;
  attachments.value = draft.attachments;
}

// The conversation has got its thread: what is in the field, and what waits, belongs to that.
function settle(threadId) {
  begun.value = null;
  store.drafts.clear();
  if (queued.peek()?.threadId === null) queued.value = { ...queued.peek(), threadId };
  keep();
}

function release() {
  const waiting = queued.value;
  if (!waiting || sending.value || writing.value.size || store.currentId.value !== waiting.threadId) return;
  queued.value = null;
  keep();
  sendNow(waiting.parts);
}

// The draft holds what waits, too, so that a reload loses nothing.
function keep() {
  loading = null;
  const { threadId } = place.peek();
  const waiting = queued.peek()?.threadId === threadId ? queued.peek().parts : [];
  const written = [...waiting.filter(isText).map((part) => part.text), text.peek()].filter(Boolean).join("\n\n");
  const files = [...waiting.filter((part) => !isText(part)), ...attachments.peek()];
  store.drafts.write(threadId ?? undefined, { text: written, attachments: files });
}

const isText = ({ type }) => type === "text";

function focusAt(offset) {
  requestAnimationFrame(() => {
    focus();
    field?.setSelectionRange(offset, offset);
    if (field) field.scrollTop = field.scrollHeight;
  });
}
