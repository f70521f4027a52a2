// Keeps the end of a growing conversation in view, and lets go as soon as the person looks elsewhere.

import { signal } from "../view.mjs";

const NEAR = 48; // pixels from the end that count as being there
const A_GESTURE = 1500; // milliseconds in which a scroll is what a press, a key or a wheel has caused
const KEYS_UP = new Set(["ArrowUp", "PageUp", "Home"]);

export class ScrollAnchor {
  isAway = signal(false); // something stands below that is not in view
  #scroller;
  #content;
  #reserve;
  #observer;
  #leaving = new AbortController();
  #isStuck = true;
  #lead = null;
  #last = 0;
  #touched = -Infinity;

  // scroller: what scrolls; content: what grows in it; reserve: an empty element below the content.
  constructor({ scroller, content, reserve }) {
    this.#scroller = scroller;
    this.#content = content;
    this.#reserve = reserve;
    reserve.style.setProperty("transition", "none", "important"); // its size is measured right after it is set
    this.#observer = new ResizeObserver(() => this.#settle());
    this.#observer.observe(content);
    this.#observer.observe(scroller);
    this.#listen();
    this.#stick(true);
  }

  // Shows a question at the top; its answer has the room below and is followed once it has filled that.
  lead(turn) {
    this.#lead = turn;
    this.#stick(true);
    this.#settle();
  }

  // Shows the end, without any room kept free.
  toEnd() {
    this.#stick(true);
    this.#settle();
  }

  // Shows a place somewhere in the conversation and stays there.
  show(element) {
    this.#stick(false);
    element.scrollIntoView({ block: "start" });
  }

  // Another conversation begins, at its end.
  reset() {
    this.#lead = null;
    this.toEnd();
  }

  destroy() {
    this.#observer.disconnect();
    this.#leaving.abort();
  }

  #listen() {
    const on = (name, callback, options = {}) =>
      this.#scroller.addEventListener(name, callback, { passive: true, signal: this.#leaving.signal, ...options });
    for (const name of ["wheel", "touchmove", "keydown", "pointerdown"]) on(name, () => (this.#touched = performance.now()), { capture: true });
    on("wheel", ({ deltaY }) => deltaY < 0 && this.#letGo());
    on("touchmove", () => this.#letGo());
    on("keydown", ({ key, target }) => KEYS_UP.has(key) && !target.matches("textarea, input") && this.#letGo());
    on("scroll", () => this.#scrolled());
  }

  #letGo() {
    if (this.#scroller.scrollHeight > this.#scroller.clientHeight + 1) this.#stick(false);
  }

  #scrolled() {
    const { scrollTop } = this.#scroller;
    const isMeant = performance.now() - this.#touched < A_GESTURE; // else the content has become shorter for a moment
    const isUp = isMeant && scrollTop < this.#last - 1;
    this.#last = scrollTop;
    if (this.#distance <= 1) this.#stick(true);
    else if (isUp) this.#stick(false);
    else if (this.#distance <= NEAR) this.#stick(true);
    this.#look();
  }

  get #distance() {
    const { scrollHeight, clientHeight, scrollTop } = this.#scroller;
    return scrollHeight - clientHeight - scrollTop;
  }

  // While the end is followed, the browser must not hold on to what stands above it; otherwise it must.
  #stick(isStuck) {
    this.#isStuck = isStuck;
    this.#scroller.style.overflowAnchor = isStuck ? "none" : "auto";
  }

  #settle() {
    this.#fitReserve();
    if (this.#isStuck) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
      this.#last = this.#scroller.scrollTop;
    }
    this.#look();
  }

  // Room so that the question may stand at the top while its answer is short.
  #fitReserve() {
    if (!this.#lead?.isConnected) return void (this.#reserve.style.blockSize = "0");
    const used = this.#content.getBoundingClientRect().bottom - this.#lead.getBoundingClientRect().top;
    const { paddingTop, paddingBottom } = getComputedStyle(this.#reserve.parentElement);
    const room = this.#scroller.clientHeight - used - parseFloat(paddingTop) - parseFloat(paddingBottom);
    this.#reserve.style.blockSize = `${Math.max(0, Math.floor(room))}px`;
  }

  #look() {
    const below = this.#content.getBoundingClientRect().bottom - this.#scroller.getBoundingClientRect().bottom;
    this.isAway.value = !this.#isStuck && below > NEAR;
  }
}
