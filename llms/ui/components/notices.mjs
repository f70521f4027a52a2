// Short messages that come and go, and what a screen reader is told.

import { signal } from "../view.mjs";

const SHOWN = 5000; // milliseconds

export const notices = signal([]); // [{id, text, icon, action: {label, run} or undefined}]
export const spoken = signal(""); // politely
export const alarm = signal(""); // at once

let next = 1;

// Shows a text for a while; milliseconds: 0 until somebody takes it away. Returns a function that does.
export function notify(text, { icon = "info", action, milliseconds = SHOWN } = {}) {
  const id = next++;
  notices.value = [...notices.peek().filter((notice) => notice.text !== text), { id, text, icon, action }];
  const timer = milliseconds ? setTimeout(() => dismiss(id), milliseconds) : null;
  return () => {
    clearTimeout(timer);
    dismiss(id);
  };
}

export function dismiss(id) {
  notices.value = notices.peek().filter((notice) => notice.id !== id);
}

export function say(text) {
  spoken.value = text;
}

export function warn(text) {
  alarm.value = text;
}
