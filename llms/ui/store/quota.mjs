// How much room the browser gives, and whether it may throw the threads away when the disk is full.

const WEEK = 7 * 86_400_000;

// {usage, quota: bytes or null, isPersisted}: a page over plain HTTP is told nothing.
export async function room(storage = globalThis.navigator?.storage) {
  const { usage = null, quota = null } = (await storage?.estimate?.().catch(() => ({}))) ?? {};
  return { usage, quota, isPersisted: (await storage?.persisted?.().catch(() => false)) ?? false };
}

// Asks the browser to keep what is stored; returns whether it does. Worth asking once there is something to keep.
export async function keepForGood(storage = globalThis.navigator?.storage) {
  if (await storage?.persisted?.().catch(() => false)) return true;
  return (await storage?.persist?.().catch(() => false)) ?? false;
}

// Whether to remind of an export: threads that may vanish, and none exported for a week. Times in milliseconds.
export function isExportDue({ isPersisted, threads, oldest, lastExport, now }) {
  return !isPersisted && threads > 0 && now - Math.max(lastExport ?? 0, oldest) > WEEK;
}
