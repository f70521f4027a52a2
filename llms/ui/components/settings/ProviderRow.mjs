// One provider: how it is in one line, and behind it its key, a test, and how its models fare.

import { duration } from "../../i18n/format.mjs";
import { t } from "../../i18n/t.mjs";
import { html, useState } from "../../view.mjs";
import { Icon } from "../Icon.mjs";
import { KeyForm } from "./KeyForm.mjs";
import { Problem } from "./controls.mjs";
import { switchProvider, testProvider } from "./providerChanges.mjs";

export function ProviderRow({ row, isOpen, onToggle }) {
  const [error, setError] = useState(null);
  const { name, enabled } = row;
  const flip = ({ currentTarget: box }) => {
    setError(null);
    switchProvider(name, box.checked).catch((problem) => {
      box.checked = enabled;
      setError(problem);
    });
  };
  return html`<li class="provider" data-provider=${name}>
    <div class="provider-head">
      <button type="button" class="provider-open" aria-expanded=${isOpen} onClick=${onToggle}>
        <span class=${`dot ${dotOf(row)}`} /><span class="provider-name">${name}</span>
        <span class="provider-note truncate">${noteOf(row)}</span>
        <${Icon} name=${isOpen ? "chevron-up" : "chevron-down"} class="small" />
      </button>
      <input type="checkbox" class="switch" aria-label=${`${t("provider.enable")}: ${name}`} checked=${enabled} onChange=${flip} />
    </div>
    <${Problem} error=${error} />
    ${isOpen && html`<${Details} row=${row} />`}
  </li>`;
}

function Details({ row }) {
  const { name, type, host, found, health, key } = row;
  const facts = [
    ["provider.type", type],
    ["provider.host", host],
    ["provider.found", found],
    ["provider.key", keyText(key)],
    row.running || row.waiting ? ["provider.load", t("provider.loadText", { running: row.running, waiting: row.waiting })] : null,
  ];
  return html`<div class="provider-body">
    <dl class="stat-list provider-facts">
      ${facts.filter((fact) => fact?.[1]).map(([label, value]) => html`<dt key=${label}>${t(label)}</dt><dd>${value}</dd>`)}
    </dl>
    <${Test} name=${name} />
    ${(key.takes ?? true) && html`<${KeyForm} name=${name} current=${key} />`}
    ${health.length > 0 &&
    html`<details class="disclosure">
      <summary><${Icon} name="chevron-right" class="small" />${t("provider.health")}</summary>
      <ul class="health">
        ${health.map(
          ({ model, breaker, line }) => html`<li key=${model}>
            <span class=${`dot ${breaker === "closed" ? "good" : "bad"}`} /><b dir="ltr">${model}</b>${" "}
            <span class="quiet">${line}</span>
          </li>`,
        )}
      </ul>
    </details>`}
  </div>`;
}

function Test({ name }) {
  const [outcome, setOutcome] = useState(null);
  const run = async () => {
    setOutcome({ isRunning: true });
    setOutcome(await testProvider(name).catch((error) => ({ ok: false, problem: error.message })));
  };
  return html`<div class="button-row">
    <button
      type="button"
      class="button small"
      disabled=${outcome?.isRunning}
      onClick=${run}
    >
      <${Icon} name="activity" class="small" />${t("action.test")}
    </button>
    <span class="setting-hint" role="status">
      ${outcome?.isRunning && html`<span class="spinner" />`}
      ${outcome?.ok && html`<span class="good">${t("provider.tested", { provider: name, time: duration(outcome.milliseconds / 1000) })}</span>`}
      ${outcome?.ok === false && html`<span class="field-error">${outcome.problem}</span>`}
    </span>
  </div>`;
}

const KEYS = {
  none: "provider.keyNone",
  environment: "provider.keyEnvironment",
  file: "provider.keyFile",
  entered: "provider.keyEntered",
};

function dotOf({ enabled, problem, up }) {
  if (!enabled) return "";
  if (problem) return "bad";
  return up ? "good" : "warn";
}

function noteOf({ enabled, problem, models, up }) {
  if (!enabled) return t("provider.off");
  if (problem) return problem;
  return up && models !== null ? t("provider.models", { count: models }) : t("provider.unheard");
}

function keyText({ state, ending, outranked }) {
  const text = t(KEYS[state] ?? "provider.keyNone");
  const tail = ending ? ` (${t("provider.keyEnds", { tail: ending })})` : "";
  return `${text}${tail}${outranked ? `. ${outranked}` : ""}`;
}
