// How answers arrive, how messages are sent, which language the page speaks.

import { LANGUAGES, t } from "../../i18n/t.mjs";
import { settings } from "../../settings.mjs";
import { html } from "../../view.mjs";
import { Choice, Heading, Select, Toggle } from "./controls.mjs";

export function Panel() {
  const languages = [["auto", t("settings.languageAuto")], ...Object.entries(LANGUAGES)];
  return html`<${Heading} text=${t("settings.answers")} />
    <${Toggle} field=${settings.stream} label=${t("settings.stream")} hint=${t("settings.streamHint")} />
    <${Toggle} field=${settings.showReasoning} label=${t("settings.showReasoning")} hint=${t("settings.showReasoningHint")} />
    <${Toggle} field=${settings.showStatistics} label=${t("settings.showUsage")} />
    <${Heading} text=${t("settings.writing")} />
    <${Choice}
      field=${settings.sendOnEnter}
      label=${t("settings.sendWith")}
      hint=${t("settings.sendWithHint")}
      choices=${[
        [true, t("settings.sendEnter")],
        [false, t("settings.sendCtrlEnter")],
      ]}
    />
    <${Heading} text=${t("settings.page")} />
    <${Select} label=${t("settings.language")} value=${settings.language.value} choices=${languages} onChange=${change} />`;
}

function change(language) {
  settings.language.value = language;
}
