// A text in Markdown, which may still grow: <${Markdown} text=${signal or string} isLive=${true} />.

import { effect, html, useLayoutEffect, useRef } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { MarkdownView } from "../markdown/render.mjs";
import { say } from "./notices.mjs";

// id: another one for each text of the page.
export function Markdown({ text, isLive = false, id }) {
  const place = useRef(null);
  const view = useRef(null);
  useLayoutEffect(() => {
    view.current = new MarkdownView(place.current, { labels: labels(), id, onCopy: () => say(t("action.copied")) });
    return () => view.current.destroy();
  }, []);
  useLayoutEffect(() => effect(() => show(view.current, typeof text === "string" ? text : text.value, isLive)), [text, isLive]);
  return html`<div class="markdown" dir="auto" ref=${place} />`;
}

function show(view, text, isLive) {
  const isMore = isLive && text.length >= view.text.length && text.startsWith(view.text);
  if (isMore) view.push(text.slice(view.text.length));
  else view.set(text);
}

function labels() {
  return {
    code: t("code.plain"),
    copy: t("action.copy"),
    copied: t("action.copied"),
    wrap: t("code.wrap"),
    download: t("action.download"),
    table: t("table.label"),
    formula: t("math.label"),
    done: t("task.done"),
    open: t("task.open"),
    footnote: (label) => t("footnote.label", { label }),
    image: (host) => t("image.remote", { host }),
    follow: (url) => `${t("link.confirmTitle")} ${t("link.confirmHint", { host: new URL(url).host })}\n\n${url}`,
  };
}
