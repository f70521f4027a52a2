// A block of code: a head with the language and what can be done, and the code, which scrolls and can be focused.

import { element } from "./element.mjs";
import { decode } from "./entities.mjs";

const LANGUAGE = /^[^\s{,:;=]+/;
const PLAIN_NAME = /^[\w+#.-]{1,40}$/;

// Returns the language of a fence's info text, "" without one.
export function languageOf(info) {
  return LANGUAGE.exec(decode(info ?? "").trim())?.[0] ?? "";
}

export function codeBlock(document, { text, lang }, labels) {
  const language = languageOf(lang);
  const isName = PLAIN_NAME.test(language);
  const code = element(document, "code", { class: isName ? `hljs language-${language.toLowerCase()}` : "hljs" });
  code.append(document.createTextNode(text.replace(/\n$/, "")));
  const name = language ? `${labels.code}: ${language}` : labels.code;
  return element(document, "figure", { class: "md-code", dir: "ltr", "data-language": language || null }, [
    head(document, language, labels),
    element(document, "pre", { tabindex: "0", role: "region", "aria-label": name }, [code]),
  ]);
}

function head(document, language, labels) {
  const button = (action, pressed) =>
    element(document, "button", { type: "button", class: `md-code-${action}`, "data-md": action, "aria-pressed": pressed }, [labels[action]]);
  return element(document, "figcaption", { class: "md-code-head" }, [
    element(document, "span", { class: "md-code-language" }, [language]),
    element(document, "span", { class: "md-code-actions" }, [button("wrap", "false"), button("download"), button("copy")]),
  ]);
}
