// Runs before the first paint, so that a chosen theme never flashes: copies appearance from the stored settings to <html>.
// The same attributes are set again by the settings when they change: data-theme, data-accent, data-density, data-width,
// data-size, data-motion; lang and dir.
(() => {
  const LOOK = {
    theme: ["light", "dark"],
    accent: ["ocean", "teal", "forest", "amber", "rose", "plum", "graphite"],
    density: ["compact"],
    width: ["narrow", "wide", "full"],
    size: ["small", "large", "larger"],
    motion: ["reduced"],
  };
  const LANGUAGES = { en: "ltr", de: "ltr", ar: "rtl" };
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem("llms.settings") ?? "{}") ?? {};
  } catch {
    // Storage may be off or hold something else: the page then follows the system.
  }
  const root = document.documentElement;
  for (const [name, values] of Object.entries(LOOK)) {
    if (values.includes(stored[name])) root.dataset[name] = stored[name];
  }
  const wanted = typeof stored.language === "string" && stored.language !== "auto" ? [stored.language] : navigator.languages;
  const tags = wanted.map((tag) => tag.toLowerCase().split("-")[0]);
  root.lang = tags.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? "en";
  root.dir = LANGUAGES[root.lang];
})();
