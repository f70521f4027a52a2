// The line above the chat: the way to the sidebar, what the chat is called, what can be done with it, the settings.

import { t } from "../i18n/t.mjs";
import { settings } from "../settings.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useState } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { lazy } from "./lazy.mjs";
import { TITLES, hrefOf, place } from "./places.mjs";
import { isDrawerOpen, openSurface, renaming } from "./shell.mjs";

const NameField = lazy(() => import("./NameField.mjs"), "NameField");
const TITLE = "title"; // the name that is changed here, not in the list
const ThreadMenu = lazy(() => import("./ThreadMenu.mjs"), "ThreadMenu");

export function Header() {
  return html`<header class="topbar">
    <button
      type="button"
      class="icon-button only-collapsed"
      aria-label=${t("sidebar.open")}
      aria-controls="sidebar"
      aria-expanded=${isDrawerOpen.value}
      onClick=${openSidebar}
    >
      <${Icon} name="panel-left" />
    </button>
    <a class="icon-button only-collapsed" href=${hrefOf()} aria-label=${t("sidebar.newChat")}><${Icon} name="square-pen" /></a>
    <${Title} />
    <div class="topbar-actions">
      <${ThreadActions} />
      <button
        type="button"
        class="icon-button"
        data-testid="settings-button"
        aria-haspopup="dialog"
        aria-label=${t("sidebar.settings")}
        title=${t("sidebar.settings")}
        onClick=${() => openSurface("settings")}
      >
        <${Icon} name="settings" />
      </button>
    </div>
  </header>`;
}

function Title() {
  const store = useThreadStore();
  const thread = store.current.value;
  const { page } = place.value;
  if (page !== "chat") return html`<h1 class="topbar-title">${t(TITLES[page])}</h1>`;
  if (!thread) return html`<h1 class="topbar-title"><span class="visually-hidden">${t("thread.untitled")}</span></h1>`;
  if (renaming.value === TITLE) {
    const keep = (title) => store.updateThread(thread.id, { title });
    return html`<div class="topbar-title"><${NameField} name=${thread.title} label=${t("thread.rename")} onName=${keep} onEnd=${() => (renaming.value = null)} /></div>`;
  }
  return html`<h1 class="topbar-title">
    <button
      type="button"
      dir="auto"
      title=${t("thread.rename")}
      onClick=${() => (renaming.value = TITLE)}
    >
      ${thread.title || t("thread.untitled")}
    </button>
  </h1>`;
}

function ThreadActions() {
  const thread = useThreadStore().current.value;
  const [source, setSource] = useState(null);
  if (place.value.page !== "chat") return null;
  return html`<button
    type="button"
    class=${`icon-button ${thread ? "only-large" : ""}`}
    aria-haspopup="dialog"
    aria-label=${t("thread.settings")}
    title=${t("thread.settings")}
    onClick=${() => openSurface("thread")}
  >
      <${Icon} name="sliders-horizontal" />
    </button>
    ${thread &&
    html`<button
      type="button"
      class="icon-button"
      aria-haspopup="menu"
      aria-label=${t("action.more")}
      title=${t("action.more")}
      onClick=${(event) => setSource(event.currentTarget)}
    >
      <${Icon} name="ellipsis" />
    </button>`}
    ${thread && source && html`<${ThreadMenu} thread=${thread} source=${source} nameAt=${TITLE} onClose=${() => setSource(null)} />`}`;
}

// On a small screen it is a drawer, which is closed again by whatever is chosen in it.
function openSidebar() {
  if (matchMedia("(width < 56rem)").matches) isDrawerOpen.value = true;
  else settings.sidebar.value = true;
}
