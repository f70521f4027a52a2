// The chats in which the words of the search stand, with the place where they do.

import { t } from "../i18n/t.mjs";
import { snippetOf } from "../store/search.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useEffect, useState } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { Marked } from "./Marked.mjs";
import { hrefOf, place } from "./places.mjs";
import { query } from "./shell.mjs";

const PAUSE = 60; // milliseconds without typing

export function SearchResults() {
  const store = useThreadStore();
  const results = useResults(store, query.value.trim());
  if (results === null) return null;
  if (!results.length) return html`<p class="sidebar-empty" role="status">${t("sidebar.noMatch", { query: query.value.trim() })}</p>`;
  return html`<p class="visually-hidden" role="status">${t("thread.matches", { count: results.length })}</p>
    <ul aria-label=${t("sidebar.search")}>
      ${results.map((result) => html`<${Result} key=${result.threadId} ...${result} />`)}
    </ul>`;
}

function Result({ threadId, messageId, snippet }) {
  const thread = useThreadStore().getThread(threadId);
  if (!thread) return null;
  const isCurrent = place.value.threadId === threadId;
  return html`<li class="thread found" data-current=${isCurrent}>
    <a
      class="thread-link"
      href=${hrefOf(threadId, messageId)}
      data-row=${threadId}
      tabindex="-1"
      aria-current=${isCurrent ? "page" : undefined}
    >
      <span class="thread-found">
        <span class="thread-found-head">
          <span class="thread-title" dir="auto"><${Marked} ...${inTitle(thread.title)} /></span>
          ${thread.archived && html`<${Icon} name="archive" class="small" />`}
        </span>
        ${snippet && html`<span class="thread-snippet" dir="auto"><${Marked} ...${snippet} /></span>`}
      </span>
    </a>
  </li>`;
}

function inTitle(title) {
  return snippetOf(title || t("thread.untitled"), query.value.split(/\s+/).filter(Boolean));
}

// null until the first answer is there.
function useResults(store, text) {
  const [results, setResults] = useState(null);
  const [threads, progress] = [store.threads.value, store.searchProgress.value];
  useEffect(() => {
    let isStale = false;
    const timer = setTimeout(async () => {
      const found = await store.search(text);
      if (!isStale) setResults(found);
    }, PAUSE);
    return () => {
      isStale = true;
      clearTimeout(timer);
    };
  }, [text, threads, progress === 1]);
  return results;
}
