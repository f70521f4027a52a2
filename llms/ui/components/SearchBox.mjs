// The field that searches titles and texts of all chats.

import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { query } from "./shell.mjs";

export function SearchBox() {
  return html`<div class="search" role="search">
    <${Icon} name="search" class="small" />
    <input
      class="input"
      type="search"
      dir="auto"
      aria-label=${t("sidebar.search")}
      placeholder=${t("sidebar.search")}
      value=${query.value}
      onFocus=${() => useThreadStore().prepareSearch()}
      onInput=${(event) => (query.value = event.currentTarget.value)}
      onKeyDown=${press}
    />
    ${query.value &&
    html`<button type="button" class="icon-button small search-clear" aria-label=${t("action.clear")} onClick=${clear}>
      <${Icon} name="x" />
    </button>`}
  </div>`;
}

function press(event) {
  if (event.key === "Escape" && query.value) clear(event);
  else if (event.key === "ArrowDown") document.querySelector('.sidebar-body [data-row][tabindex="0"]')?.focus();
  else return;
  event.preventDefault();
}

function clear({ currentTarget }) {
  query.value = "";
  currentTarget.closest(".search").querySelector("input").focus();
}
