// All chats: pinned ones, folders, then by age; or the archive; or what a search finds. Chats can be dropped on a folder
// and back beside it.

import { language, t } from "../i18n/t.mjs";
import { byAge } from "../store/order.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useComputed, useState } from "../view.mjs";
import { Icon } from "./Icon.mjs";
import { ThreadItem } from "./ThreadItem.mjs";
import { dropTarget } from "./dropping.mjs";
import { lazy } from "./lazy.mjs";
import { useRoving } from "./roving.mjs";
import { isArchiveOpen, query, renaming } from "./shell.mjs";

const NAMED = new Set(["pinned", "today", "yesterday", "week", "month"]);
const SearchResults = lazy(() => import("./SearchResults.mjs"), "SearchResults");
const FolderItem = lazy(() => import("./FolderItem.mjs"), "FolderItem");
const ThreadMenu = lazy(() => import("./ThreadMenu.mjs"), "ThreadMenu");

export function ThreadList() {
  const store = useThreadStore();
  const live = useComputed(() => new Set(store.live.messages.value.values()));
  const [menu, setMenu] = useState(null);
  const roving = useRoving('[aria-current="page"]');
  const row = (thread) => html`<${ThreadItem} key=${thread.id} thread=${thread} live=${live} onMenu=${show} />`;
  const show = (thread, source) => setMenu({ thread, source });
  const isSearching = query.value.trim() !== "";
  return html`<div class="sidebar-body" ...${roving}>
    ${isSearching ? html`<${SearchResults} />` : isArchiveOpen.value ? html`<${Archive} row=${row} />` : html`<${Chats} row=${row} />`}
    ${menu && html`<${ThreadMenu} key=${menu.thread.id} ...${menu} onClose=${() => setMenu(null)} />`}
  </div>`;
}

function Chats({ row }) {
  const { folders, isLoaded, threads } = useThreadStore();
  const shown = threads.value.filter(({ archived }) => !archived);
  const known = new Set(folders.value.map(({ id }) => id));
  const [loose, filed] = [shown.filter(({ folder }) => !known.has(folder)), shown.filter(({ folder }) => known.has(folder))];
  const [pinned, ...groups] = withPinned(byAge(loose, Date.now()));
  if (isLoaded.value && !shown.length && !known.size) return html`<p class="sidebar-empty">${t("sidebar.empty")}</p>`;
  return html`${pinned && group(pinned, row)} ${known.size > 0 && html`<${Folders} filed=${filed} row=${row} />`}
    <div class="loose" ...${dropTarget(null)}>${groups.map((each) => group(each, row))}</div>`;
}

function Folders({ filed, row }) {
  const { createFolder, folders } = useThreadStore();
  const create = async () => (renaming.value = (await createFolder(t("folder.new"))).id);
  return html`<section class="thread-group" aria-labelledby="folders-title">
    <h2 class="thread-group-title" id="folders-title">
      <span class="truncate">${t("folder.title")}</span>
      <button type="button" class="icon-button small group-action" aria-label=${t("folder.new")} onClick=${create}>
        <${Icon} name="folder-plus" />
      </button>
    </h2>
    ${folders.value.map(
      (folder) => html`<${FolderItem}
        key=${folder.id}
        folder=${folder}
        threads=${filed.filter((thread) => thread.folder === folder.id)}
        row=${row}
      />`,
    )}
  </section>`;
}

function Archive({ row }) {
  const { threads } = useThreadStore();
  const archived = threads.value.filter((thread) => thread.archived).map((thread) => ({ ...thread, pinned: false }));
  return html`<button type="button" class="nav-item" data-row="back" onClick=${() => (isArchiveOpen.value = false)}>
      <${Icon} name="arrow-left" /><span>${t("sidebar.archive")}</span>
    </button>
    ${archived.length ? byAge(archived, Date.now()).map((each) => group(each, row)) : html`<p class="sidebar-empty">${t("sidebar.archiveEmpty")}</p>`}`;
}

function group({ key, threads }, row) {
  const id = `group-${key}`;
  return html`<section class="thread-group" key=${key} aria-labelledby=${id}>
    <h2 class="thread-group-title" id=${id}>${key === "pinned" && html`<${Icon} name="pin" class="small" />`}${titleOf(key)}</h2>
    <ul>
      ${threads.map(row)}
    </ul>
  </section>`;
}

// The pinned group stands first, undefined where there is none.
function withPinned(groups) {
  return groups[0]?.key === "pinned" ? groups : [undefined, ...groups];
}

function titleOf(key) {
  if (NAMED.has(key)) return t(`time.${key}`);
  const [year, month] = key.split("-").map(Number);
  const isThisYear = year === new Date().getFullYear();
  return new Date(year, month - 1).toLocaleDateString(language(), { month: "long", ...(!isThisYear && { year: "numeric" }) });
}
