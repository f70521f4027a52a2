// The open conversation: what it is set to, and what a person does with it. What writes answers is loaded when somebody
// seems about to ask for one.

import { computed, signal } from "../view.mjs";
import { chosenModel, modelById } from "../api/models.mjs";
import { activeRuns } from "../run/active.mjs";
import { settings } from "../settings.mjs";
import { withText } from "../store/message.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { go, hrefOf, place } from "./places.mjs";

const store = useThreadStore();

export const fresh = signal({}); // fields for a thread that does not exist yet, such as its model
export const editing = signal(null); // id of the message that is being changed where it stands
export const anchor = signal(null); // the ScrollAnchor of the conversation in view
export const awaited = signal(false); // a question was sent and is to be shown at the top
export const begun = signal(null); // id of the thread that the last first message made

export const currentModel = computed(() => chosenModel(store.current.value?.model ?? fresh.value.model, settings.model.value));
export const streams = computed(() => (store.current.value ?? fresh.value).stream ?? settings.stream.value);

// Ids of the messages of the open thread that are being written, here or in another tab.
export const writing = computed(() => {
  const threadId = store.currentId.value;
  const elsewhere = [...store.live.messages.value].filter(([, owner]) => owner === threadId).map(([id]) => id);
  const here = [...activeRuns.value.values()].filter((run) => run.threadId === threadId && !isOver(run)).map(({ id }) => id);
  return new Set([...elsewhere, ...here]);
});

function isOver(run) {
  return ["done", "canceled", "error"].includes(run.state.value);
}

const runs = async () => (await import("../run/runs.mjs")).useRuns();

store.live.takeUp = async (message) => (await runs()).takeUp(message);

// Resolves when all is there that an answer needs, and what tells of trouble. Worth calling when somebody begins to write.
export async function prepare() {
  await Promise.all([runs(), import("./ThreadView.mjs"), import("./Toasts.mjs"), import("./Banners.mjs")]);
}

// ---- settings of the conversation

export function setModel(id) {
  setField({ model: id });
  if (!store.currentId.peek()) settings.model.value = id;
}

export function setStreams(stream) {
  return setField({ stream: stream === settings.stream.peek() ? null : stream });
}

function setField(fields) {
  const id = store.currentId.peek();
  if (id) return store.updateThread(id, fields);
  fresh.value = { ...fresh.peek(), ...fields };
  return undefined;
}

// What is known of a model, also of one that is no longer listed.
export function modelNamed(id) {
  return modelById(id) ?? { id, name: id ?? "", provider: null };
}

// ---- asking and answering

// Sends parts of a message. The first one makes the thread, which keeps the model it begins with.
export async function send(parts) {
  const { send: sendNow } = await runs();
  awaited.value = true;
  const threadId = place.peek().threadId ?? (await begin());
  return sendNow(threadId, parts);
}

async function begin() {
  const thread = await store.createThread({ model: currentModel.peek()?.id ?? null, ...fresh.peek() });
  fresh.value = {};
  begun.value = thread.id;
  await store.openThread(thread.id);
  go(hrefOf(thread.id), { replace: true });
  return thread.id;
}

// Has a message of the user answered once more, by another model where one is named.
export async function answer(message, model) {
  const { answer: answerNow } = await runs();
  return answerNow(message.threadId, message.id, model ? { models: [model] } : {});
}

export async function regenerate(message, model) {
  const { regenerate: again } = await runs();
  showFrom(message.parentId);
  return again(message.threadId, message.id, { model });
}

export async function goOn(message) {
  const { continueAnswer } = await runs();
  anchor.peek()?.toEnd();
  return continueAnswer(message.threadId, message.id);
}

// Whether an answer seems to want to go on: somebody or something ended it.
export function isCutShort({ status, finishReason }) {
  return ["canceled", "interrupted", "error"].includes(status) || finishReason === "length";
}

// Stops whatever is being written in the open thread, at once where this tab writes it.
export async function stop() {
  const threadId = store.currentId.peek();
  for (const run of activeRuns.peek().values()) if (run.threadId === threadId) run.stop();
  const isElsewhere = [...store.live.messages.peek()].some(([id, owner]) => owner === threadId && !activeRuns.peek().has(id));
  if (isElsewhere) (await runs()).stopThread(threadId);
}

// ---- changing what is there

export function edit(messageId) {
  editing.value = messageId;
}

export async function sendEdit(message, text) {
  const { resend } = await runs();
  editing.value = null;
  awaited.value = true;
  return resend(message.threadId, message.id, withText(message.parts, text));
}

export async function saveEdit(message, text) {
  editing.value = null;
  await store.updateMessageContent(message.threadId, message.id, text);
}

export const show = (messageId) => store.showMessage(store.currentId.peek(), messageId);

export const remove = (message) => store.deleteMessage(message.threadId, message.id);

// A new conversation that begins as this one does, up to a message.
export async function fork(message) {
  const thread = await store.forkThread(message.threadId, message.id);
  if (thread) go(hrefOf(thread.id));
}

function showFrom(messageId) {
  const turn = document.getElementById(`m-${messageId}`);
  if (turn) anchor.peek()?.lead(turn);
}
