// Everything that changes threads, together: one file to load when the first change is made.

import { Blobs } from "./blobs.mjs";
import { Folders } from "./folders.mjs";
import { newId } from "./ids.mjs";
import { Messages } from "./messages.mjs";
import { Presets } from "./presets.mjs";
import { Threads } from "./threads.mjs";
import { Undo } from "./undo.mjs";

export class Commands {
  // pending: see undo.mjs.
  constructor({ records, now, timers, pending }) {
    const world = { records, now, newId };
    this.threads = new Threads(world);
    this.messages = new Messages(world);
    this.folders = new Folders(world);
    this.presets = new Presets(world);
    this.blobs = new Blobs(world);
    this.undo = new Undo({ records, pending, now, timers });
  }
}
