// The sections of the settings in their order. words: names of what stands in one, by which the palette finds it.

export const SECTIONS = [
  {
    name: "general",
    label: "settings.general",
    icon: "settings",
    words: ["settings.stream", "settings.sendWith", "settings.language", "settings.showReasoning", "settings.showUsage"],
    load: () => import("./General.mjs"),
  },
  {
    name: "appearance",
    label: "settings.appearance",
    icon: "palette",
    words: ["settings.theme", "settings.accent", "settings.width", "settings.size", "settings.density", "settings.motion"],
    load: () => import("./Appearance.mjs"),
  },
  {
    name: "model",
    label: "settings.model",
    icon: "sliders-horizontal",
    words: ["thread.systemPrompt", "params.temperature", "params.topP", "params.maxTokens", "params.stop", "params.seed"],
    load: () => import("./ModelDefaults.mjs"),
  },
  { name: "presets", label: "settings.presets", icon: "notebook-pen", words: ["preset.new"], load: () => import("./Presets.mjs") },
  { name: "providers", label: "settings.providers", icon: "plug", words: ["provider.key", "provider.add"], load: () => import("./Providers.mjs") },
  { name: "local", label: "settings.local", icon: "hard-drive", words: ["pull.title"], load: () => import("./LocalModels.mjs") },
  { name: "data", label: "settings.data", icon: "database", words: ["data.export", "data.import", "data.storage"], load: () => import("./Storage.mjs") },
  { name: "shortcuts", label: "settings.shortcuts", icon: "keyboard", words: ["shortcuts.title"], load: () => import("./Keys.mjs") },
  { name: "about", label: "settings.about", icon: "info", words: [], load: () => import("./About.mjs") },
];
