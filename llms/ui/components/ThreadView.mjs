// The conversation: its visible messages from the first to the last, and what went wrong below them.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { activeRuns } from "../run/active.mjs";
import { settings } from "../settings.mjs";
import { useThreadStore } from "../threadStore.mjs";
import * as composing from "./composing.mjs";
import { announce } from "./announcing.mjs";
import { anchor, awaited } from "./conversation.mjs";
import { Failure } from "./Failure.mjs";
import { ScrollAnchor } from "./ScrollAnchor.mjs";
import { SelectionQuote } from "./SelectionQuote.mjs";
import { Turn } from "./Turn.mjs";
import { withSheet } from "./lazy.mjs";

await withSheet("message");

const AT_ONCE = 12; // messages, the newest; older ones are built in idle moments
const A_SLICE = 4;

export function ThreadView() {
  const store = useThreadStore();
  const [scroller, content, reserve] = [useRef(null), useRef(null), useRef(null)];
  const path = store.path.value;
  const threadId = store.currentId.value;
  const runs = activeRuns.value;
  const first = useFirst(threadId, path.length);
  const asked = path.findLast(({ role }) => role === "user");
  const failure = asked?.failures?.at(-1);
  useAnchor({ scroller, content, reserve, threadId, asked });
  useEffect(announce, []);
  return html`<div
      class="transcript"
      ref=${scroller}
      id="conversation"
      role="log"
      aria-live="off"
      aria-busy=${path.some(({ id }) => runs.has(id))}
      aria-label=${store.current.value?.title || t("thread.untitled")}
      tabindex="0"
    >
      <div class="column">
        <div class="turns" data-wrap=${settings.wrapCode.value} ref=${content}>
          ${turns(store, path, first, runs)}
          ${failure && html`<${Failure} key="failure" message=${asked} failure=${failure} />`}
        </div>
        <div ref=${reserve} />
      </div>
    </div>
    <${SelectionQuote} within=${() => content.current} onQuote=${composing.quote} />`;
}

function turns(store, path, first, runs) {
  const latest = path.findLast(({ role }) => role === "assistant")?.id;
  return path.slice(first).map(
    (message) => html`<${Turn}
      key=${message.id}
      message=${message}
      siblings=${store.siblingsOf(message.id).map(({ id }) => id).join(" ")}
      run=${runs.get(message.id)}
      isLatest=${message.id === latest}
    />`,
  );
}

// Where the messages that are built begin: with the newest at first, so that a long conversation opens at once.
function useFirst(threadId, length) {
  const start = Math.max(0, length - AT_ONCE);
  const [kept, keep] = useState({ threadId, first: start });
  const first = Math.min(kept.threadId === threadId ? kept.first : start, start);
  useEffect(() => {
    if (first === 0) return undefined;
    const [later, cancel] = globalThis.requestIdleCallback ? [requestIdleCallback, cancelIdleCallback] : [setTimeout, clearTimeout];
    const handle = later(() => keep({ threadId, first: Math.max(0, first - A_SLICE) }));
    return () => cancel(handle);
  }, [threadId, first]);
  return first;
}

function useAnchor({ scroller, content, reserve, threadId, asked }) {
  useLayoutEffect(() => {
    const made = new ScrollAnchor({ scroller: scroller.current, content: content.current, reserve: reserve.current });
    anchor.value = made;
    return () => {
      anchor.value = null;
      made.destroy();
    };
  }, []);
  const seen = useRef({});
  useLayoutEffect(() => {
    const { threadId: lastThread, asked: lastAsked } = seen.current;
    seen.current = { threadId, asked: asked?.id };
    if (awaited.peek() && asked && asked.id !== lastAsked) {
      awaited.value = false;
      anchor.peek().lead(document.getElementById(`m-${asked.id}`));
    } else if (threadId !== lastThread) anchor.peek().reset();
  }, [threadId, asked?.id]);
}
