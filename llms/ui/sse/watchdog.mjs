// Notices that nothing has come for too long. A server that lives sends at least a comment every 15 seconds.

export const SILENCE = 45_000;

export class Watchdog {
  #limit;
  #onSilence;
  #environment;
  #timer = null;

  // limit: milliseconds of silence, 0 for never. Calls onSilence(limit).
  constructor(limit, onSilence, environment) {
    this.#limit = limit;
    this.#onSilence = onSilence;
    this.#environment = environment;
  }

  // Waits from now on. Only while somebody waits for bytes: the reader's own time is no silence.
  start() {
    this.stop();
    if (this.#limit > 0) this.#timer = this.#environment.setTimeout(() => this.#onSilence(this.#limit), this.#limit);
  }

  stop() {
    if (this.#timer !== null) this.#environment.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
