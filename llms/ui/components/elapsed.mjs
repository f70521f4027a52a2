// Time that passes, in whole seconds, for whoever shows it.

import { useEffect, useState } from "../view.mjs";

// Seconds since a moment (performance.now()), renewed each second; 0 without one.
export function useElapsed(since) {
  const [, renew] = useState(0);
  useEffect(() => {
    if (since === null) return undefined;
    const timer = setInterval(() => renew((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, [since]);
  return since === null ? 0 : Math.max(0, (performance.now() - since) / 1000);
}
