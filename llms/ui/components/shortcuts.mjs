// The keys of the page. They can be switched off in the settings, all but Escape, which belongs to whatever is open.

import { settings } from "../settings.mjs";

// "Mod" is Cmd on a Mac, else Ctrl. Those with isTold are handled where they belong and stand here for the list.
export const SHORTCUTS = [
  { name: "palette", keys: "Mod+K" },
  { name: "newChat", keys: "Mod+Shift+O" },
  { name: "search", keys: "Mod+Shift+K" },
  { name: "previousChat", keys: "Alt+ArrowUp" },
  { name: "nextChat", keys: "Alt+ArrowDown" },
  { name: "sidebar", keys: "Mod+B" },
  { name: "settings", keys: "Mod+," },
  { name: "help", keys: "Mod+/" },
  { name: "focus", keys: "Shift+Escape" },
  { name: "model", keys: "Mod+Shift+M" },
  { name: "send", keys: "Enter", isTold: true },
  { name: "newLine", keys: "Shift+Enter", isTold: true },
  { name: "editLast", keys: "ArrowUp", isTold: true }, // in an empty field
  { name: "stop", keys: "Escape", isTold: true },
  { name: "regenerate", keys: "Mod+Shift+E" },
  { name: "copyLast", keys: "Mod+Shift+C" },
  { name: "copyCode", keys: "Mod+Shift+L" },
];

const SIGNS = { ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };
const MAC_SIGNS = { Mod: "⌘", Shift: "⇧", Alt: "⌥", Enter: "↩" };

// The keys of a shortcut as they are written on this machine: "Ctrl K", "⌘K".
export function keysOf(name) {
  const { keys } = SHORTCUTS.find((each) => each.name === name);
  return namesOf(keys).join(isMac() ? "" : " ");
}

// The same, key by key.
export function namesOf(keys, mac = isMac()) {
  return keys.split("+").map((key) => SIGNS[key] ?? (mac ? (MAC_SIGNS[key] ?? key) : key.replace("Mod", "Ctrl")));
}

// The name of the shortcut that a keydown means, null where it means none.
export function shortcutOf(event, mac = isMac()) {
  if (event.isComposing || event.defaultPrevented) return null;
  return SHORTCUTS.find((each) => !each.isTold && fits(event, each.keys.split("+"), mac))?.name ?? null;
}

// Calls run(name) for each shortcut that is pressed; returns a function that stops that. run returns false where it does
// nothing, so that the browser may.
export function listen(run, target = document) {
  const press = (event) => {
    const name = settings.shortcuts.peek() ? shortcutOf(event) : null;
    if (name !== null && run(name) !== false) event.preventDefault();
  };
  target.addEventListener("keydown", press);
  return () => target.removeEventListener("keydown", press);
}

// Letters count by what they write, and where that is no Latin letter, by their place on the keyboard.
function fits(event, keys, mac) {
  const key = keys.at(-1);
  const [mod, other] = mac ? [event.metaKey, event.ctrlKey] : [event.ctrlKey, event.metaKey];
  if (other || mod !== keys.includes("Mod") || event.altKey !== keys.includes("Alt")) return false;
  if (event.shiftKey !== keys.includes("Shift") && /^\w/.test(key)) return false; // signs need it or not, by the layout
  if (event.key.toUpperCase() === key.toUpperCase()) return true;
  return /^[A-Z]$/.test(key) && !/^[a-z]$/i.test(event.key) && event.code === `Key${key}`;
}

function isMac() {
  return /mac|iphone|ipad/i.test(globalThis.navigator?.platform ?? "");
}
