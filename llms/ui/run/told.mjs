// What an answer tells of itself while it is written, as signals:
//
//   state      queued, loading, thinking, tool, writing; then done, canceled or error
//   waiting    {name, since, …} until the first piece: "connecting", "provider", "queued" (position), "loading" (percent),
//              "retrying" (attempt, tries, delay, message), "whole_answer"; then null
//   text, reasoning, toolCalls [{id, name, arguments}]
//   progress   the server's last figures (percent, eta_ms, …) or null; warning: a text of the server's, or null
//   timing     see timing.mjs: of now while it is written, of the whole at the end
//   usage, cost, finishReason, provider, requestId: null until they are known
//   reconnecting   {attempt, tries} while the connection is lost and looked for, else null
//   hasGap     all text is there, but thoughts or tool calls may have been lost with events that the server no longer had
//   error      {type, message, status, code, param, retryable, retryAfter, provider, model, requestId} or null

import { signal } from "../view.mjs";

export class Told {
  state = signal("queued");
  waiting = signal(null);
  text = signal("");
  reasoning = signal("");
  toolCalls = signal([]);
  progress = signal(null);
  warning = signal(null);
  timing = signal(null);
  usage = signal(null);
  cost = signal(null);
  finishReason = signal(null);
  provider = signal(null);
  requestId = signal(null);
  error = signal(null);
  reconnecting = signal(null);
  hasGap = signal(false);
}
