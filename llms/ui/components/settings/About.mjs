// Which version this is, and where on this server there is more to read.

import { signOut } from "../../api/session.mjs";
import { t } from "../../i18n/t.mjs";
import { resetSettings, settings } from "../../settings.mjs";
import { html } from "../../view.mjs";
import { Icon } from "../Icon.mjs";
import { notify } from "../notices.mjs";
import { closeSurface } from "../shell.mjs";
import { Action, Heading } from "./controls.mjs";
import { server } from "./server.mjs";

const LINKS = [
  ["/openapi.json", "about.api", "braces"],
  ["/metrics", "about.metrics", "activity"],
  ["/v1/models", "about.models", "list"],
];

export function Panel() {
  const told = server.value;
  return html`<div class="about-head">
      <img src=${new URL("../../favicon.svg", import.meta.url).pathname} alt="" width="40" height="40" />
      <div>
        <p class="about-name">${t("app.name")}</p>
        <p class="setting-hint">${told ? t("settings.version", { version: told.version }) : t("about.page")}</p>
      </div>
    </div>
    <${Heading} text=${t("about.links")} />
    <ul class="about-links">
      ${LINKS.map(
        ([href, label, icon]) => html`<li key=${href}>
          <a
            class="nav-item"
            href=${href}
            target="_blank"
            rel="noopener"
          >
            <${Icon} name=${icon} /><span>${t(label)}</span><code class="quiet">${href}</code>
          </a>
        </li>`,
      )}
    </ul>
    ${told?.server && html`<${Places} ...${told.server} />`}
    <${Heading} text=${t("settings.page")} />
    <${Action} label=${t("settings.resetAll")} hint=${t("settings.resetHint")} name=${t("action.reset")} run=${reset} />
    ${told?.keys_required && html`<${Action}
      label=${t("session.signOut")}
      hint=${t("about.key", { name: told.key_id })}
      name=${t("session.signOut")}
      run=${leave}
    />`}`;
}

function Places({ name, data_dir: folder, config }) {
  const rows = [
    ["about.machine", name],
    ["about.folder", folder],
    ["about.config", config],
  ];
  return html`<${Heading} text=${t("about.server")} />
    <dl class="stat-list about-places">
      ${rows.filter(([, value]) => value).map(([key, value]) => html`<dt key=${key}>${t(key)}</dt><dd dir="ltr">${value}</dd>`)}
    </dl>`;
}

function reset() {
  resetSettings(settings);
  notify(t("settings.wereReset"), { icon: "check" });
}

async function leave() {
  await signOut();
  closeSurface();
}
