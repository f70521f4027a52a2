// Brings one message of a chat into view, also one of a branch that is not shown.

import { useThreadStore } from "../threadStore.mjs";
import { anchor } from "./conversation.mjs";
import { go, hrefOf, place } from "./places.mjs";

const PATIENCE = 5000; // milliseconds

// Resolves when it is in view, or when it will not be any more. The address then names the chat alone.
export async function reveal(threadId, messageId) {
  const store = useThreadStore();
  const isHere = () => place.peek().threadId === threadId;
  await until(() => store.currentId.peek() === threadId, isHere);
  if (!store.path.peek().some(({ id }) => id === messageId)) await store.showMessage(threadId, messageId);
  const turn = await until(() => document.getElementById(`m-${messageId}`), isHere);
  if (!isHere()) return;
  go(hrefOf(threadId), { replace: true });
  if (turn) anchor.peek()?.show(turn);
  turn?.focus({ preventScroll: true });
}

// Resolves with what is found, or with nothing when it takes too long or nobody waits for it any more.
async function until(found, isWanted) {
  for (const end = performance.now() + PATIENCE; performance.now() < end && isWanted(); ) {
    const result = found();
    if (result) return result;
    await new Promise(requestAnimationFrame);
  }
  return null;
}
