// Calls back when the page may be about to go: hidden, closed, or put aside. It is the last moment to write.

// callback({isFinal}): isFinal where the page does not come back.
export function onLeaving(callback, { document, window = document?.defaultView } = globalThis) {
  if (!document) return () => {};
  const hidden = () => document.visibilityState === "hidden" && callback({ isFinal: false });
  const left = ({ persisted }) => callback({ isFinal: !persisted });
  document.addEventListener("visibilitychange", hidden);
  window.addEventListener("pagehide", left);
  return () => {
    document.removeEventListener("visibilitychange", hidden);
    window.removeEventListener("pagehide", left);
  };
}
