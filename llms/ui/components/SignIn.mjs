// The gate of a server that asks for a key: one field.

import { html, useEffect, useRef, useState } from "../view.mjs";
import { t } from "../i18n/t.mjs";
import { Icon } from "./Icon.mjs";

// onSignIn(key) resolves when the key is accepted, and throws otherwise. wasSignedIn: the session has ended.
export function SignIn({ onSignIn, wasSignedIn = false }) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const field = useRef(null);
  useEffect(() => field.current.focus(), []);
  const submit = async (event) => {
    event.preventDefault();
    if (!key.trim() || isBusy) return;
    setBusy(true);
    try {
      await onSignIn(key.trim());
    } catch (error) {
      setProblem(error.status === 401 ? t("session.wrong") : error.message);
      setBusy(false);
      field.current.select();
    }
  };
  return html`<main class="gate">
    <form class="gate-card" onSubmit=${submit}>
      <img class="brand-mark" src=${MARK} alt="" width="40" height="40" />
      <div>
        <h1 class="gate-title">${t("session.title")}</h1>
        <p class="muted">${t(wasSignedIn ? "session.expired" : "session.text")}</p>
      </div>
      <div class="field">
        <label class="field-label" for="session-key">${t("session.key")}</label>
        <input
          id="session-key"
          class="input"
          type="password"
          autocomplete="current-password"
          ref=${field}
          value=${key}
          aria-invalid=${problem ? "true" : undefined}
          aria-describedby=${problem ? "session-problem" : undefined}
          onInput=${({ target }) => setKey(target.value)}
        />
        ${problem && html`<p class="field-error" id="session-problem" role="alert"><${Icon} name="circle-alert" class="small" />${problem}</p>`}
      </div>
      <button type="submit" class="button primary wide" disabled=${isBusy || !key.trim()}>${t("session.signIn")}</button>
    </form>
  </main>`;
}

const MARK = new URL("../favicon.svg", import.meta.url).pathname;
