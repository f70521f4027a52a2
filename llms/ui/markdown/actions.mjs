// What a person can do with a rendered text: copy, wrap or save code, go to a footnote, think twice about a link.
// One listener for the whole text: what stands in it may change at any time.

const COPIED_FOR = 2000;
const EXTENSIONS = new Map(
  Object.entries({
    bash: "sh", c: "c", cpp: "cpp", "c++": "cpp", csharp: "cs", "c#": "cs", css: "css", diff: "diff", go: "go", graphql: "graphql",
    html: "html", ini: "ini", java: "java", javascript: "js", js: "js", json: "json", kotlin: "kt", less: "less", lua: "lua",
    makefile: "mk", markdown: "md", md: "md", perl: "pl", php: "php", python: "py", py: "py", r: "r", ruby: "rb", rust: "rs",
    scss: "scss", sh: "sh", shell: "sh", sql: "sql", svg: "svg", swift: "swift", toml: "toml", ts: "ts", tsx: "tsx", jsx: "jsx",
    typescript: "ts", xml: "xml", yaml: "yaml", yml: "yaml", zsh: "sh",
  }),
);

// confirm(text): asks the person, true to go on. onCopy(text): told after a copy. Returns a function that stops listening.
export function listen(element, { labels, confirm = (text) => globalThis.confirm(text), onCopy = () => {} }) {
  const act = (event) => {
    const place = event.target.closest?.("[data-md], a[data-carries-much]");
    if (!place || !element.contains(place)) return;
    if (place.hasAttribute("data-carries-much")) {
      if (!confirm(labels.follow(place.getAttribute("href")))) event.preventDefault();
    } else ACTIONS[place.getAttribute("data-md")]?.(place, { event, labels, onCopy });
  };
  element.addEventListener("click", act);
  return () => element.removeEventListener("click", act);
}

const ACTIONS = {
  async copy(button, { labels, onCopy }) {
    const text = codeOf(button).textContent;
    await copyText(button.ownerDocument, text);
    onCopy(text);
    button.textContent = labels.copied;
    button.setAttribute("data-state", "copied");
    setTimeout(() => {
      button.textContent = labels.copy;
      button.removeAttribute("data-state");
    }, COPIED_FOR);
  },

  wrap(button) {
    const isWrapped = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isWrapped));
    button.closest(".md-code").toggleAttribute("data-wrap", isWrapped);
  },

  download(button) {
    const language = button.closest(".md-code").getAttribute("data-language") ?? "";
    const url = URL.createObjectURL(new Blob([codeOf(button).textContent + "\n"], { type: "text/plain" }));
    const link = button.ownerDocument.createElement("a");
    link.href = url;
    link.download = `code.${EXTENSIONS.get(language.toLowerCase()) ?? "txt"}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 0);
  },

  footnote(link, { event }) {
    event.preventDefault();
    const note = link.ownerDocument.getElementById(link.getAttribute("href").slice(1));
    note?.scrollIntoView({ block: "nearest" });
    note?.focus({ preventScroll: true });
  },
};

function codeOf(button) {
  return button.closest(".md-code").querySelector("code");
}

// A page that came over plain http from another machine has no clipboard of its own, only the old way.
async function copyText(document, text) {
  try {
    await globalThis.navigator.clipboard.writeText(text);
  } catch {
    copyOldWay(document, text);
  }
}

function copyOldWay(document, text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("aria-hidden", "true");
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
