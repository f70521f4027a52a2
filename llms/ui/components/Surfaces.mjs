// The dialogs around the chat, one at a time, each fetched when it is first opened.

import { html } from "../view.mjs";
import { lazy } from "./lazy.mjs";
import { closeSurface, surface } from "./shell.mjs";

const DIALOGS = {
  settings: lazy(() => import("../SettingsDialog.mjs"), "SettingsDialog"),
  palette: lazy(() => import("./Palette.mjs"), "Palette"),
  shortcuts: lazy(() => import("./ShortcutSheet.mjs"), "ShortcutSheet"),
  pull: lazy(() => import("./PullDialog.mjs"), "PullDialog"),
  files: lazy(() => import("./ImportExport.mjs"), "ImportExport"),
  thread: lazy(() => import("./ThreadSettings.mjs"), "ThreadSettings"),
};

export function Surfaces() {
  const { name, ...details } = surface.value ?? {};
  return name ? html`<${DIALOGS[name]} key=${name} ...${details} onClose=${closeSurface} />` : null;
}
