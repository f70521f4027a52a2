// The page: chats at the side, the conversation with its composer, whatever is opened over them.

import { html, useEffect, useErrorBoundary, useRef, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { needsSignIn } from "../api/http.mjs";
import { models, modelsState, refreshModels } from "../api/models.mjs";
import { settings } from "../settings.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { ChatPrompt } from "../ChatPrompt.mjs";
import { Greeting, Starters } from "./EmptyState.mjs";
import { Header } from "./Header.mjs";
import { Sidebar } from "./Sidebar.mjs";
import * as composing from "./composing.mjs";
import { anchor, stop, writing } from "./conversation.mjs";
import { isOutdated, lazy, lookForUpdate } from "./lazy.mjs";
import { alarm, notices, spoken } from "./notices.mjs";
import { TITLES, go, hrefOf, place } from "./places.mjs";
import { closeDrawer, isDrawerOpen, picker, surface } from "./shell.mjs";
import { listen } from "./shortcuts.mjs";

const Banners = lazy(() => import("./Banners.mjs"), "Banners");
const JumpButton = lazy(() => import("./JumpButton.mjs"), "JumpButton");
const ThreadView = lazy(() => import("./ThreadView.mjs"), "ThreadView");
const SignIn = lazy(() => import("./SignIn.mjs"), "SignIn");
const Broken = lazy(() => import("./Broken.mjs"), "Broken");
const DropTarget = lazy(() => import("./DropTarget.mjs"), "DropTarget");
const Toasts = lazy(() => import("./Toasts.mjs"), "Toasts");
const ModelList = lazy(() => import("./ModelList.mjs"), "ModelList");
const Surfaces = lazy(() => import("./Surfaces.mjs"), "Surfaces");
const PAGES = {
  usage: lazy(() => import("./UsagePage.mjs"), "UsagePage"),
  compare: lazy(() => import("./ComparePage.mjs"), "ComparePage"),
  stream: lazy(() => import("./StreamPage.mjs"), "StreamPage"),
};

export function App() {
  const [problem, forget] = useErrorBoundary();
  useEffect(() => listen(press), []);
  if (problem) return html`<${Broken} problem=${problem} onRetry=${forget} />`;
  if (needsSignIn.value) return html`<${SignIn} onSignIn=${signIn} wasSignedIn=${models.value.length > 0} />`;
  return html`<div class="app" data-sidebar=${settings.sidebar.value ? "open" : "closed"} data-drawer=${isDrawerOpen.value ? "open" : "closed"}>
    <a class="skip-link" href="#conversation" onClick=${skip}>${t("app.skip")}</a>
    <${Sidebar} />
    <div class="scrim" onClick=${closeDrawer} />
    <${Main} />
    <${Overlays} />
    <${Announcer} />
  </div>`;
}

async function signIn(key) {
  await (await import("../api/session.mjs")).signIn(key);
  refreshModels();
}

// What the keys do is loaded with the first of them.
function press(name) {
  import("./commands.mjs").then(({ run }) => run(name), lookForUpdate);
}

function Main() {
  const { page } = place.value;
  useTitle(page);
  if (page !== "chat") return html`<main class="main"><${Header} /><${Update} /><${PAGES[page]} /></main>`;
  return html`<${Chat} />`;
}

function Chat() {
  const store = useThreadStore();
  const isShown = [null, store.currentId.value].includes(place.value.threadId); // else it is about to be
  const isEmpty = isShown && store.path.value.length === 0;
  useThread();
  useEscape();
  return html`<main class=${`main${isEmpty ? " is-empty" : ""}`}>
    <${Header} />
    <${Update} />
    ${useTrouble() && html`<${Banners} />`}
    ${isEmpty ? html`<div class="transcript" id="conversation" tabindex="-1"><${Greeting} /></div>` : html`<${ThreadView} waiting=${html`<div class="transcript" />`} />`}
    <div class="dock">
      <div class="column">
        ${anchor.value && html`<${JumpButton} />`}
        <${ChatPrompt} />
        <p class="dock-note">${t("composer.note")}</p>
      </div>
    </div>
    ${useDragged() && html`<${DropTarget} />`}
    ${isEmpty && html`<${Starters} />`}
  </main>`;
}

// Stands here and is not fetched, since nothing can be fetched any more.
function Update() {
  if (!isOutdated.value) return null;
  return html`<div class="banner" role="alert">
    <span>${t("app.newVersion")}</span>
    <button type="button" class="button small" onClick=${() => location.reload()}>${t("app.reload")}</button>
  </div>`;
}

// Once something was wrong, its end is to be told too.
function useTrouble() {
  const hadAny = useRef(false);
  hadAny.current ||= modelsState.value.state === "failed" || useThreadStore().problem.value !== null;
  return hadAny.current;
}

// Shows the conversation that the address names; one that is not there leads to a new one.
function useThread() {
  const store = useThreadStore();
  const { threadId } = place.value;
  const isLoaded = store.isLoaded.value;
  useEffect(() => {
    if (!isLoaded) return;
    if (threadId !== null && !store.getThread(threadId)) go(hrefOf(), { replace: true });
    else if (threadId !== store.currentId.peek()) change(() => store.openThread(threadId));
  }, [threadId, isLoaded]);
}

// From one conversation to another, with a short fade where the browser knows how and nobody minds.
function change(open) {
  const isStill = settings.motion.peek() === "reduced" || matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (isStill || !document.startViewTransition || !useThreadStore().currentId.peek()) return open();
  return document.startViewTransition(open).ready.catch(() => {});
}

function useTitle(page) {
  const thread = useThreadStore().current.value;
  const title = page === "chat" ? thread?.title : t(TITLES[page]);
  useEffect(() => {
    document.title = title ? `${title} · ${t("app.name")}` : t("app.name");
  }, [title]);
}

// Escape stops what is being written, unless something that is open wants it.
function useEscape() {
  useEffect(() => {
    const press = (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || event.shiftKey) return;
      if (!writing.peek().size || document.querySelector("dialog[open], :popover-open")) return;
      event.preventDefault();
      stop();
      composing.focus();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

// True from the first time that something is dragged over the page.
function useDragged() {
  const [isDragged, setDragged] = useState(false);
  useEffect(() => {
    const drag = () => setDragged(true);
    document.addEventListener("dragenter", drag, { once: true });
    return () => document.removeEventListener("dragenter", drag);
  }, []);
  return isDragged;
}

// What lies over the page, loaded when there is any of it.
function Overlays() {
  const hasToasts = notices.value.length > 0 || useThreadStore().undos.value.length > 0;
  return html`${hasToasts && html`<${Toasts} />`}
  ${picker.value && html`<${ModelList} />`}
  ${surface.value && html`<${Surfaces} />`}`;
}

// What a screen reader is told. Streaming text itself is never a live region.
function Announcer() {
  return html`<div class="visually-hidden">
    <p role="status" aria-live="polite">${spoken.value}</p>
    <p role="alert">${alarm.value}</p>
  </div>`;
}

function skip(event) {
  event.preventDefault();
  const turns = document.querySelectorAll(".turn");
  (turns[turns.length - 1] ?? document.getElementById("conversation"))?.focus();
}
