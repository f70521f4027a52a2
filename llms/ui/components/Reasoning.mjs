// What the model thought before it answered: one line, the thoughts themselves behind it.

import { html, useEffect, useLayoutEffect, useRef, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { duration } from "../i18n/format.mjs";
import { Icon } from "./Icon.mjs";
import { useElapsed } from "./elapsed.mjs";

// seconds: how long it took, null where nobody knows; since: while it thinks, when it began (performance.now()).
export function Reasoning({ text, seconds = null, since = null, opensItself = false }) {
  const isActive = since !== null;
  const [isOpen, setOpen] = useState(isActive && opensItself);
  const chosen = useRef(false);
  useEffect(() => {
    if (!chosen.current && opensItself) setOpen(isActive);
  }, [isActive]);
  const toggle = (event) => {
    event.preventDefault();
    chosen.current = true;
    setOpen(!isOpen);
  };
  return html`<details class="reasoning" open=${isOpen}>
    <summary onClick=${toggle}>
      <${Icon} name="brain" class="small" />
      <${Title} seconds=${seconds} since=${since} />
      <${Icon} name="chevron-right" class="small" />
    </summary>
    ${isOpen && html`<${Thoughts} text=${text} isActive=${isActive} />`}
  </details>`;
}

function Title({ seconds, since }) {
  const elapsed = useElapsed(since);
  if (since !== null) return html`<span class="shimmer">${elapsed < 1 ? t("run.thinking") : t("reasoning.active", { elapsed: duration(Math.floor(elapsed)) })}</span>`;
  if (seconds === null) return html`<span>${t("usage.reasoningTokens")}</span>`;
  return html`<span>${seconds < 1 ? t("reasoning.brief") : t("reasoning.done", { elapsed: duration(seconds) })}</span>`;
}

// The newest thoughts stay in view while they come.
function Thoughts({ text, isActive }) {
  const place = useRef(null);
  useLayoutEffect(() => {
    if (isActive) place.current.scrollTop = place.current.scrollHeight;
  }, [text, isActive]);
  return html`<div class=${`reasoning-text${isActive ? " live" : ""}`} dir="auto" ref=${place} tabindex="0" role="region" aria-label=${t("usage.reasoningTokens")}>
    ${text.trim()}
  </div>`;
}
