// What a person does with answers: send, answer again, go on, compare, stop. Ties runs to threads: each run writes one
// message, in any number of threads at once, and this tab holds the message's lock until it is whole.
//
// The functions resolve when the answers have begun, with the runs; `run.finished` resolves when a run is kept.
// Load this module when somebody seems about to write; what runs is in active.mjs, which is small.

import { chosenModel, modelById } from "../api/models.mjs";
import { noteSignIn } from "../api/http.mjs";
import { settings as ourSettings, validParameters } from "../settings.mjs";
import { cancelStream } from "../sse/resuming.mjs";
import { newId } from "../store/ids.mjs";
import { isBeingWritten } from "../store/message.mjs";
import { keepForGood } from "../store/quota.mjs";
import { Tree } from "../store/tree.mjs";
import { useThreadStore } from "../threadStore.mjs";
import { activeRuns, addRun, dropRun } from "./active.mjs";
import { leftIn } from "./checkpoint.mjs";
import { Recorder } from "./recorder.mjs";
import { chatRequest, continuation } from "./request.mjs";
import { Run } from "./run.mjs";

let ours = null;

export function useRuns() {
  ours ??= new Runs();
  return ours;
}

export class Runs {
  #store;
  #settings;
  #world;
  #isKept = false;

  // All optional. models: {chosenModel, modelById} of api/models.mjs; chat, environment: see run.mjs.
  constructor({ store = useThreadStore(), settings = ourSettings, models = { chosenModel, modelById }, chat, environment } = {}) {
    this.#store = store;
    this.#settings = settings;
    this.#world = { models, chat, environment };
    store.channel.on("stop_writing", (id) => activeRuns.peek().get(id)?.stop());
  }

  // Adds a message of the user (parts or a text) to a thread, or to a new one for null, and has it answered. Options:
  // models: ids, several for a comparison; thread: fields of a new thread. Resolves with {threadId, message, runs}.
  send = async (threadId, content, { models, thread } = {}) => {
    const id = threadId ?? (await this.#store.createThread(thread)).id;
    const message = await this.#store.addMessage(id, { role: "user", parts: content });
    this.#keep();
    return { threadId: id, message, runs: message ? await this.answer(id, message.id, { models }) : [] };
  };

  // Has a message answered, beside the answers it has. Serves also as "try again" and for more models.
  answer = async (threadId, messageId, { models = [null] } = {}) => {
    const found = models.map((model) => this.#modelFor(threadId, model));
    const ids = found.map(() => newId());
    const frees = await Promise.all(ids.map((id) => this.#store.live.hold(id)));
    const letGo = () => frees.forEach((free) => free());
    const empty = found.map((model, index) => ({ id: ids[index], role: "assistant", parentId: messageId, model: model.id, status: "queued" }));
    if (messageId !== null) await this.#store.patchMessage(messageId, { failures: [] });
    const messages = await this.#store.addMessages(threadId, empty).catch((error) => {
      letGo();
      throw error;
    });
    if (!messages.length) letGo();
    const { path } = await this.#upTo(threadId, messageId);
    return Promise.all(messages.map((message, index) => this.#begin({ message, path, model: found[index], free: frees[index] })));
  };

  // Another answer beside one, of the same model or another.
  regenerate = async (threadId, messageId, { model } = {}) => {
    const message = (await this.#store.getMessages(threadId)).find(({ id }) => id === messageId);
    return message ? this.answer(threadId, message.parentId, { models: [model ?? this.#listed(message.model)] }) : [];
  };

  // The user's message with other content, beside it, and its answer.
  resend = async (threadId, messageId, content, options) => {
    const message = await this.#store.editMessage(threadId, messageId, content);
    return message ? this.answer(threadId, message.id, options) : [];
  };

  // Goes on with an answer that was stopped, cut, or edited; not with one that is being written, here or elsewhere. Where
  // only its connection was lost for too long, the server may have the rest: that is looked for before anything is asked.
  continueAnswer = async (threadId, messageId) => {
    const { before } = await this.#upTo(threadId, messageId);
    if (before?.id !== messageId || isBeingWritten(before)) return [];
    const free = await this.#store.live.hold(messageId);
    const { path, before: now } = await this.#upTo(threadId, messageId);
    if (now?.rev !== before.rev) return free(), [];
    const message = await this.#store.patchMessage(messageId, { status: "queued", error: null });
    if (message.stream) return [this.#takeUp(message, free)];
    const model = this.#modelFor(threadId, this.#listed(before.model));
    return [await this.#begin({ message, path, model, free, before })];
  };

  // Goes on with an answer whose page is gone and whose stream the server may still have. The caller holds the message.
  // Resolves when it is kept, with its final state.
  takeUp = (message) => this.#takeUp(message, () => {}).finished;

  // Stops an answer, also one that another tab writes, even if that tab sleeps.
  stop = (messageId) => {
    const run = activeRuns.peek().get(messageId);
    if (run) return run.stop();
    this.#store.channel.say("stop_writing", messageId);
    const { stream } = this.#store.messages.peek().get(messageId) ?? {};
    if (stream) cancelStream(stream.id, { environment: this.#world.environment });
    return undefined;
  };

  stopThread = (threadId) => {
    for (const [messageId, owner] of this.#store.live.messages.peek()) if (owner === threadId) this.stop(messageId);
  };

  #takeUp(message, free) {
    const { base, before, ...left } = leftIn(message);
    const { environment } = this.#world;
    const run = new Run({ id: message.id, model: message.model, environment, ...left });
    return this.#launch(run, message, { base, before, free });
  }

  // The messages down to one, which is `before`.
  async #upTo(threadId, messageId) {
    const path = messageId === null ? [] : new Tree(await this.#store.getMessages(threadId)).path(messageId);
    return { path, before: path.at(-1) };
  }

  #modelFor(threadId, wanted) {
    const thread = this.#store.getThread(threadId);
    const found = this.#world.models.chosenModel(wanted ?? thread?.model, this.#settings.model.peek());
    return found ?? { id: this.#settings.model.peek() ?? "", price: null, continuesText: false };
  }

  // A model of former days that is gone is no choice for today.
  #listed(id) {
    return id && this.#world.models.modelById(id) ? id : null;
  }

  async #begin({ message, path, model, free, before = null }) {
    const { begun, base } = before ? split(before.parts) : { begun: "", base: [] };
    const { chat, environment } = this.#world;
    const bodies = await this.#bodies(message, { path, model, before }).catch(async (error) => {
      await this.#store.patchMessage(message.id, { status: "interrupted" });
      free();
      throw error;
    });
    const run = new Run({ id: message.id, model: model.id, price: model.price, begun, chat, environment, ...bodies });
    return this.#launch(run, message, { base, before, free });
  }

  #launch(run, message, { base, before, free }) {
    run.threadId = message.threadId;
    run.base = base;
    run.finished = this.#write(run, message, { base, before, free, timers: this.#world.environment });
    return run;
  }

  // {request}, and for two ways to go on {fallback}: the text alone where the model continues text, else an instruction.
  async #bodies({ threadId }, { path, model, before }) {
    const given = { ...this.#wishes(threadId), path, model: model.id, readBlob: this.#store.readBlob };
    if (!before) return { request: await chatRequest(given) };
    const told = await continuation({ ...given, continuesText: false });
    return model.continuesText ? { request: await continuation({ ...given, continuesText: true }), fallback: told } : { request: told };
  }

  async #write(run, message, { base, before, free, timers }) {
    const recorder = new Recorder({ run, message, store: this.#store, base, before, timers });
    addRun(run);
    recorder.start();
    let fault = null;
    await run.start().catch((error) => (fault = error));
    if (run.error.peek()) noteSignIn(run.error.peek());
    try {
      if (await this.#close(run, message, { recorder, isNew: before === null })) dropRun(run);
    } finally {
      free();
    }
    if (fault) throw fault;
    return run.state.peek();
  }

  // Resolves with whether the thread now says all that the run says.
  async #close(run, { threadId, id }, { recorder, isNew }) {
    if (!(isNew && run.error.peek() && run.isEmpty)) return recorder.end();
    await recorder.abandon();
    const failure = { error: run.error.peek(), model: run.model, at: Date.now() };
    await this.#store.withdrawMessage(threadId, id, failure);
    return true;
  }

  #wishes(threadId) {
    const thread = this.#store.getThread(threadId);
    return {
      systemPrompt: thread?.systemPrompt ?? this.#settings.systemPrompt.peek(),
      params: validParameters({ ...this.#settings.parameters.peek(), ...thread?.params }),
      stream: thread?.stream ?? this.#settings.stream.peek(),
    };
  }

  // There is something to keep now: the browser is asked once not to throw it away.
  #keep() {
    if (!this.#isKept) keepForGood();
    this.#isKept = true;
  }
}

// The text at the end of an answer, and the parts before it.
function split(parts) {
  const last = parts.at(-1);
  return last?.type === "text" ? { begun: last.text, base: parts.slice(0, -1) } : { begun: "", base: parts };
}
