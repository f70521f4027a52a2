// How the page looks; each choice shows at once.

import { t } from "../../i18n/t.mjs";
import { FIELDS, settings } from "../../settings.mjs";
import { html, useId } from "../../view.mjs";
import { Choice, Heading, Toggle } from "./controls.mjs";

export function Panel() {
  const { density, motion, size, theme, width, wrapCode } = settings;
  return html`<${Heading} text=${t("settings.colours")} />
    <${Choice} field=${theme} label=${t("settings.theme")} choices=${named("theme", "settings.theme")} />
    <${Accent} />
    <${Heading} text=${t("settings.text")} />
    <${Choice}
      field=${size}
      label=${t("settings.size")}
      choices=${named("size", "settings.size", ["small", "normal", "large", "larger"])}
    />
    <${Choice}
      field=${width}
      label=${t("settings.width")}
      choices=${named("width", "settings.width", ["narrow", "normal", "wide", "full"])}
    />
    <${Choice}
      field=${density}
      label=${t("settings.density")}
      choices=${[
        ["normal", t("settings.densityComfortable")],
        ["compact", t("settings.densityCompact")],
      ]}
    />
    <${Toggle} field=${wrapCode} label=${t("settings.wrapCode")} />
    <${Toggle}
      label=${t("settings.motion")}
      isOn=${motion.value === "reduced"}
      onChange=${(isOn) => (motion.value = isOn ? "reduced" : "system")}
    />`;
}

function Accent() {
  const id = useId();
  const { accent } = settings;
  return html`<div class="setting">
    <div class="setting-text"><span class="setting-label" id=${id}>${t("settings.accent")}</span></div>
    <div class="swatches" role="radiogroup" aria-labelledby=${id}>
      ${FIELDS.accent.values.map((value) => {
        const name = t(`settings.accent${capital(value)}`);
        return html`<input
          key=${value}
          class="swatch"
          type="radio"
          name="accent"
          value=${value}
          aria-label=${name}
          title=${name}
          checked=${accent.value === value}
          onChange=${() => (accent.value = value)}
        />`;
      })}
    </div>
  </div>`;
}

function named(field, key, values = FIELDS[field].values) {
  return values.map((value) => [value, t(`${key}${capital(value)}`)]);
}

function capital(word) {
  return word[0].toUpperCase() + word.slice(1);
}
