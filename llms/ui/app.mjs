// The composition root: settings, language and address come first, then the page.

import { html, render, effect, signal } from "./view.mjs";
import { refreshModels } from "./api/models.mjs";
import { App } from "./components/App.mjs";
import { chosen, speak } from "./i18n/t.mjs";
import { applyLook, settings } from "./settings.mjs";

const spokenLanguage = signal("");

applyLook(settings);
effect(() => void speakChosen(chosen(settings.language.value)));
start();

async function speakChosen(tag) {
  await speak(tag);
  spokenLanguage.value = tag;
}

async function start() {
  const root = document.getElementById("app");
  effect(() => {
    if (!spokenLanguage.value) return;
    if (root.querySelector(".boot")) root.replaceChildren();
    render(html`<${App} key=${spokenLanguage.value} />`, root);
  });
  if (location.hash.startsWith("#sign-in=")) await signInByLink();
  refreshModels();
}

// Where the link is used up, the page asks for the key.
async function signInByLink() {
  const session = await import("./api/session.mjs");
  await session.signInByLink().catch(() => false);
}
