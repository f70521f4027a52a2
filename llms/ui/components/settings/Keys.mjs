// The keys of the page, and the switch that turns them off.

import { t } from "../../i18n/t.mjs";
import { settings } from "../../settings.mjs";
import { html } from "../../view.mjs";
import { KeyList } from "../ShortcutSheet.mjs";
import { Toggle } from "./controls.mjs";

export function Panel() {
  return html`<${Toggle} field=${settings.shortcuts} label=${t("settings.shortcutsOn")} hint=${t("settings.shortcutsHint")} />
    <${KeyList} />`;
}
