// Everything in one field: commands, chats by title and text, models, settings, presets.

import { models } from "../api/models.mjs";
import { ago } from "../i18n/format.mjs";
import { t } from "../i18n/t.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { html, useEffect, useMemo, useState } from "../view.mjs";
import { Dialog } from "./Dialog.mjs";
import { Icon } from "./Icon.mjs";
import { Marked } from "./Marked.mjs";
import { commands } from "./commands.mjs";
import { setModel } from "./conversation.mjs";
import { withSheet } from "./lazy.mjs";
import { useListbox } from "./listbox.mjs";
import { matched } from "./matching.mjs";
import { go, hrefOf } from "./places.mjs";
import { openSurface } from "./shell.mjs";
import { SHORTCUTS, namesOf } from "./shortcuts.mjs";
import { SECTIONS } from "./settings/sections.mjs";
import { applyPreset } from "./presets.mjs";

await withSheet("settings");

const RECENT = 5; // chats before anything is typed
const MOST = 6; // of each group but commands, which are few
const KEYS = new Map(SHORTCUTS.map(({ name, keys }) => [name, keys]));

export function Palette({ onClose }) {
  const [query, setQuery] = useState("");
  const chats = useChats(query.trim());
  const groups = useMemo(() => groupsFor(query.trim(), chats), [query, chats]);
  const flat = groups.flatMap(({ items }) => items);
  const choose = (index) => {
    onClose();
    flat[index].run();
  };
  const box = useListbox({ count: flat.length, onChoose: choose, renewed: query });
  let index = 0;
  return html`<${Dialog} class="top palette-dialog" label=${t("palette.title")} onClose=${onClose}>
    <input
      class="palette-input"
      type="text"
      dir="auto"
      autofocus
      aria-label=${t("palette.placeholder")}
      placeholder=${t("palette.placeholder")}
      value=${query}
      onInput=${(event) => setQuery(event.currentTarget.value)}
      ...${box.field}
    />
    <div class="palette-list" aria-label=${t("palette.title")} ...${box.list}>
      ${groups.map(
        ({ name, items }) => html`<div role="group" key=${name} aria-label=${t(name)}>
          <div class="palette-group" aria-hidden="true">${t(name)}</div>
          ${items.map((item) => html`<${Item} key=${item.name} item=${item} option=${box.option(index++)} />`)}
        </div>`,
      )}
      ${flat.length === 0 && html`<p class="empty-note" role="status">${t("palette.nothing")}</p>`}
    </div>
    <footer class="palette-foot" aria-hidden="true">
      <span><kbd class="kbd">↑</kbd><kbd class="kbd">↓</kbd>${t("palette.choose")}</span>
      <span><kbd class="kbd">↩</kbd>${t("palette.run")}</span>
      <span><kbd class="kbd">Esc</kbd>${t("palette.closeHint")}</span>
    </footer>
  <//>`;
}

function Item({ item, option }) {
  const keys = KEYS.get(item.name);
  return html`<div class="palette-item" data-name=${item.name} ...${option}>
    <${Icon} name=${item.icon} />
    <span class="palette-text">
      <span class="palette-label" dir="auto"><${Marked} text=${item.label} marks=${item.marks ?? []} /></span>
      ${item.snippet && html`<span class="palette-note" dir="auto"><${Marked} ...${item.snippet} /></span>`}
    </span>
    ${item.note && html`<span class="menu-hint">${item.note}</span>`}
    ${item.isOn !== undefined && html`<span class="badge ${item.isOn ? "accent" : ""}">${t(item.isOn ? "state.on" : "state.off")}</span>`}
    ${keys && html`<span class="keys" dir="ltr">${namesOf(keys).map((key) => html`<kbd class="kbd">${key}</kbd>`)}</span>`}
  </div>`;
}

function groupsFor(query, chats) {
  const actions = commands().filter(({ label }) => label);
  const groups = [
    { name: "palette.actions", items: matched(actions, query) },
    { name: "palette.chats", items: chats },
  ];
  if (query) {
    groups.push(
      { name: "palette.models", items: matched(modelItems(), query).slice(0, MOST) },
      { name: "palette.presets", items: matched(presetItems(), query).slice(0, MOST) },
      { name: "palette.settings", items: matched(settingItems(), query).slice(0, MOST) },
    );
  }
  const shown = groups.filter(({ items }) => items.length);
  return query ? shown.sort((one, other) => rank(one) - rank(other)) : shown.reverse();
}

// The group of the best match stands first; chats are found by their words and stand after exact names.
function rank({ items: [first] }) {
  return first.rank ?? 1.5;
}

function modelItems() {
  const chat = models.peek().filter(({ isChat }) => isChat);
  return chat.map((model) => ({ name: `model ${model.id}`, label: model.name, note: model.provider, icon: "box", run: () => setModel(model.id) }));
}

function presetItems() {
  const { presets } = useThreadStore();
  return presets.peek().map((preset) => ({ name: `preset ${preset.id}`, label: preset.name, icon: "notebook-pen", run: () => applyPreset(preset) }));
}

function settingItems() {
  return SECTIONS.map(({ name, label, icon, words }) => ({
    name: `settings ${name}`,
    label: t(label),
    words: words?.map((word) => t(word)).join(" "),
    icon,
    run: () => openSurface("settings", { section: name }),
  }));
}

// The chats that a search finds; before it the latest ones.
function useChats(query) {
  const store = useThreadStore();
  const [found, setFound] = useState({ query: "", results: [] });
  const isComplete = store.searchProgress.value === 1;
  useEffect(() => void store.prepareSearch(), []);
  useEffect(() => {
    if (!query) return undefined;
    let isStale = false;
    store.search(query).then((results) => isStale || setFound({ query, results }));
    return () => (isStale = true);
  }, [query, isComplete]);
  return useMemo(() => {
    const all = store.threads.peek();
    if (!query) return all.filter(({ archived }) => !archived).slice(0, RECENT).map((thread) => chatItem(thread));
    return found.results.slice(0, MOST).map(({ threadId, messageId, snippet }) => {
      const thread = store.getThread(threadId);
      return thread && chatItem(thread, { messageId, snippet });
    }).filter(Boolean);
  }, [query, found]);
}

function chatItem({ id, title, updatedAt }, { messageId = null, snippet = null } = {}) {
  return { name: `chat ${id}`, label: title || t("thread.untitled"), note: ago(updatedAt), snippet, icon: "message-square", run: () => go(hrefOf(id, messageId)) };
}
