// The order in which lists show threads, folders and presets.

const DAY = 86_400_000;

// Newest first, pinned ones before them.
export function inOrder(threads) {
  return [...threads].sort((one, other) => other.pinned - one.pinned || other.updatedAt - one.updatedAt || (one.id < other.id ? -1 : 1));
}

// Threads in order as [{key, threads}]: pinned, today, yesterday, week, month, then a key such as 2026-03 for each month.
export function byAge(threads, now) {
  const midnight = new Date(now).setHours(0, 0, 0, 0);
  const groups = new Map();
  for (const thread of inOrder(threads)) {
    const key = thread.pinned ? "pinned" : ageOf(thread.updatedAt, midnight);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(thread);
  }
  return [...groups].map(([key, members]) => ({ key, threads: members }));
}

export function byName(records) {
  return [...records].sort((one, other) => one.name.localeCompare(other.name) || (one.id < other.id ? -1 : 1));
}

function ageOf(time, midnight) {
  if (time >= midnight) return "today";
  if (time >= midnight - DAY) return "yesterday";
  if (time >= midnight - 7 * DAY) return "week";
  if (time >= midnight - 30 * DAY) return "month";
  const date = new Date(time);
  return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}`;
}
