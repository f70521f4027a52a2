// When to draw: once a frame, and less often when drawing is dear, so that the page stays free for whoever uses it.
// In a hidden tab no frame comes: what was asked for waits, and is drawn as soon as the tab is seen again.

const CHEAP = 4; // milliseconds
const REST = 5; // times the cost

export const PAGE = Object.freeze({
  now: () => performance.now(),
  requestFrame: (call) => requestAnimationFrame(call),
  cancelFrame: (frame) => cancelAnimationFrame(frame),
  setTimeout: (call, milliseconds) => globalThis.setTimeout(call, milliseconds),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  onSeen(call) {
    const look = () => document.visibilityState === "visible" && call();
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  },
});

export class Frames {
  #draw;
  #page;
  #frame = null;
  #timer = null;
  #notBefore = 0;
  #stopListening;

  constructor(draw, page = PAGE) {
    this.#draw = draw;
    this.#page = page;
    this.#stopListening = page.onSeen(() => this.#isWaiting && this.#run());
  }

  // Draws soon; asking again before that changes nothing.
  request() {
    if (this.#isWaiting) return;
    const rest = this.#notBefore - this.#page.now();
    if (rest > 0) this.#timer = this.#page.setTimeout(() => this.#requestFrame(), rest);
    else this.#requestFrame();
  }

  cancel() {
    if (this.#frame !== null) this.#page.cancelFrame(this.#frame);
    if (this.#timer !== null) this.#page.clearTimeout(this.#timer);
    this.#frame = this.#timer = null;
  }

  destroy() {
    this.cancel();
    this.#stopListening();
  }

  get #isWaiting() {
    return this.#frame !== null || this.#timer !== null;
  }

  #requestFrame() {
    this.#timer = null;
    this.#frame = this.#page.requestFrame(() => this.#run());
  }

  #run() {
    this.cancel();
    const start = this.#page.now();
    this.#draw();
    const end = this.#page.now();
    this.#notBefore = end - start > CHEAP ? end + REST * (end - start) : 0;
  }
}
