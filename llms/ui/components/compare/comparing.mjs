// Several models beside each other: each column is a branch of one thread, so that nothing of it is lost.

import { models } from "../../api/models.mjs";
import { useRuns } from "../../run/runs.mjs";
import { useThreadStore } from "../../threadStore.mjs";
import { computed, signal } from "../../view.mjs";
import { currentModel } from "../conversation.mjs";
import { go, hrefOf } from "../places.mjs";

export const [LEAST, MOST] = [2, 4];

const store = useThreadStore();

export const columns = signal([]); // [{key, model: id, asked: id of the last question, answer: id of its answer}]
export const threadId = signal(null);
export const hasBegun = computed(() => threadId.value !== null && store.getThread(threadId.value) !== null);
export const isBusy = computed(() => [...store.live.messages.value.values()].includes(threadId.value));

let nextKey = 1;

// Begins anew with the model in use and the one after it.
export function begin() {
  const chat = models.peek().filter(({ isChat }) => isChat);
  const first = currentModel.peek() ?? chat[0];
  const others = chat.filter(({ id }) => id !== first?.id);
  threadId.value = null;
  columns.value = [first, others[0] ?? first].filter(Boolean).map(columnOf);
}

export function addModel({ id }) {
  columns.value = [...columns.peek(), columnOf({ id })].slice(0, MOST);
}

export function setModel(key, { id }) {
  columns.value = columns.peek().map((column) => (column.key === key ? { ...column, model: id } : column));
}

export function removeColumn(key) {
  columns.value = columns.peek().filter((column) => column.key !== key);
}

// Asks all models: the first question at once, a later one in each branch.
export async function ask(text) {
  const asked = hasBegun.peek() ? await askAgain(text) : await askFirst(text);
  columns.value = columns.peek().map((column) => ({ ...column, ...asked.get(column.key) }));
}

async function askFirst(text) {
  const wanted = columns.peek();
  const { threadId: id, message, runs } = await useRuns().send(null, text, { models: wanted.map(({ model }) => model) });
  await store.openThread(id);
  threadId.value = id;
  return new Map(wanted.map(({ key }, index) => [key, { asked: message.id, answer: runs[index]?.id ?? null }]));
}

async function askAgain(text) {
  const id = threadId.peek();
  const asked = new Map();
  for (const { key, model, asked: before, answer } of columns.peek()) {
    const parentId = store.tree.peek().get(answer) ? answer : before;
    const message = await store.addMessage(id, { role: "user", parts: text, parentId });
    const [run] = await useRuns().answer(id, message.id, { models: [model] });
    asked.set(key, { asked: message.id, answer: run?.id ?? null });
  }
  return asked;
}

// Has one column's last question answered again.
export async function retry({ key, model, asked }) {
  const [run] = await useRuns().answer(threadId.peek(), asked, { models: [model] });
  columns.value = columns.peek().map((column) => (column.key === key ? { ...column, answer: run?.id ?? null } : column));
}

export function stop() {
  useRuns().stopThread(threadId.peek());
}

// Goes on with one column as an ordinary chat; the others stay as its branches.
export async function keep({ model, answer }) {
  const id = threadId.peek();
  await store.showMessage(id, answer);
  await store.updateThread(id, { model });
  go(hrefOf(id));
}

// The messages of a column, and what became of its last question where there is no answer.
export function pathOf({ asked, answer, model }) {
  const tree = store.tree.value;
  const end = tree.get(answer) ? answer : asked;
  const path = end && tree.get(end) ? tree.path(end) : [];
  const failure = end === asked ? (path.at(-1)?.failures ?? []).findLast((each) => each.model === model) : undefined;
  return { path, failure };
}

function columnOf({ id }) {
  return { key: nextKey++, model: id, asked: null, answer: null };
}
