// The settings: sections at the side, one of them open. What is changed counts at once.

import { Dialog } from "./components/Dialog.mjs";
import { Icon } from "./components/Icon.mjs";
import { lazy, withSheet } from "./components/lazy.mjs";
import { SECTIONS } from "./components/settings/sections.mjs";
import { hasLocalModels, hasProviders, readServer } from "./components/settings/server.mjs";
import { t } from "./i18n/t.mjs";
import { html, useEffect, useState } from "./view.mjs";

await withSheet("settings");

const PANELS = Object.fromEntries(SECTIONS.map(({ name, load }) => [name, lazy(load, "Panel")]));
const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

// section: the name of the one to begin with, see components/settings/sections.mjs.
export function SettingsDialog({ section = "general", onClose }) {
  const [name, setName] = useState(section);
  useEffect(() => void readServer(), []);
  const shown = SECTIONS.filter(isOffered);
  const open = shown.some((each) => each.name === name) ? name : "general";
  useEffect(() => document.getElementById(`tab-${open}`).scrollIntoView({ block: "nearest", inline: "center" }), [open]);
  return html`<${Dialog}
    class="wide full settings-dialog"
    title=${t("settings.title")}
    isModal=${false}
    data-testid="settings-dialog"
    onClose=${onClose}
  >
    <div class="settings">
      <div
        class="settings-nav"
        role="tablist"
        aria-label=${t("settings.title")}
        aria-orientation="vertical"
        onKeyDown=${(event) => step(event, shown, open, setName)}
      >
        ${shown.map(({ name: each, label, icon }) => tab(each, t(label), icon, each === open, () => setName(each)))}
      </div>
      <div class="settings-panel" role="tabpanel" id="settings-panel" aria-labelledby=${`tab-${open}`} tabindex="-1" key=${open}>
        <${PANELS[open]} />
      </div>
    </div>
  <//>`;
}

function tab(name, label, icon, isOpen, onClick) {
  return html`<button
    key=${name}
    type="button"
    class="tab"
    role="tab"
    id=${`tab-${name}`}
    aria-selected=${isOpen}
    aria-controls="settings-panel"
    tabindex=${isOpen ? 0 : -1}
    autofocus=${isOpen}
    onClick=${onClick}
  >
    <${Icon} name=${icon} />${label}
  </button>`;
}

function step(event, shown, open, setName) {
  const by = STEPS[event.key];
  const at = shown.findIndex(({ name }) => name === open);
  const to = { Home: 0, End: shown.length - 1 }[event.key] ?? (by && (at + by + shown.length) % shown.length);
  if (to === undefined) return;
  event.preventDefault();
  setName(shown[to].name);
  document.getElementById(`tab-${shown[to].name}`).focus();
}

// What this server does not have is not shown.
function isOffered({ name }) {
  if (name === "providers") return hasProviders.value;
  return name !== "local" || hasLocalModels.value;
}
