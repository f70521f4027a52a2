"""How the upstream of the provider under test says each thing: OpenAI's dialect, to be overridden by others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llms.testing.answers import (
    CALLS,
    Answer,
    answer,
    body,
    chunk,
    completion,
    echo,
    either,
    error,
    garbage,
    reasoning_stream,
    reply,
    text_stream,
    tool_stream,
    usage_of,
    vectors,
    whole_tools,
)
from llms.testing.fake_upstream import FakeUpstream
from llms.testing.seen import Seen
from llms.testing.steps import Step, event

UNKNOWN = {"x_top": {"a": [1, None]}, "x_choice": "kept", "x_delta": 0.5, "x_usage": 7}
"""Fields that no dialect knows, by the place where they stand."""


class Scripts:
    """Override the hooks that your upstream says otherwise; each scripts what a request gets from then on."""

    def script_text(self, upstream: FakeUpstream, text: str) -> None:
        """Say `text` in several pieces, streamed or whole as asked, with usage where it is asked."""
        upstream.script(reply(text))

    def script_echo(self, upstream: FakeUpstream) -> None:
        """Say the last message of each request again."""
        upstream.on(echo)

    def script_tools(self, upstream: FakeUpstream, calls: Sequence[tuple[str, str]] = CALLS) -> None:
        """Call tools, `(name, arguments)` each, the arguments in pieces where streamed."""
        upstream.script(either(tool_stream(calls), whole_tools(calls)))

    def script_reasoning(self, upstream: FakeUpstream, reasoning: str, text: str) -> None:
        """Think, then speak."""
        thought = completion({"reasoning_content": reasoning, "content": text})
        upstream.script(either(reasoning_stream(reasoning, text), body(thought)))

    def script_unknown(self, upstream: FakeUpstream) -> None:
        """Say `Hello` with the fields of `UNKNOWN` in their places."""
        usage = {**usage_of(), "x_usage": UNKNOWN["x_usage"]}
        message = {"content": "Hello", "x_delta": UNKNOWN["x_delta"]}
        sent = [
            _unknown(chunk({"role": "assistant", **message})),
            {**chunk({}, "stop"), "usage": usage},
        ]
        whole = {**_unknown(completion(message)), "usage": usage}
        upstream.script(either(answer(*map(event, sent), event("[DONE]")), body(whole)))

    def script_begun(self, upstream: FakeUpstream, pieces: Sequence[str], *last: Step) -> None:
        """Begin a stream, say `pieces` in one event each, and go on with the `last` steps instead of an end."""
        upstream.script(begun(pieces).then(*last))

    def script_unfinished_ending(self, upstream: FakeUpstream, text: str) -> None:
        """Say `text` and its finish reason, but leave out what marks the end of the stream."""
        upstream.script(text_stream(text, done=False))

    def script_malformed(self, upstream: FakeUpstream) -> None:
        """Stream `abcdef`, a letter an event, with events between them that cannot be decoded."""
        upstream.script(garbage(6))

    def script_error(
        self,
        upstream: FakeUpstream,
        status: int,
        headers: Mapping[str, str] | None = None,
        *,
        message: str = "no luck",
    ) -> None:
        """Refuse with a status, headers and a message."""
        upstream.script(error(status, headers=headers, message=message))

    def script_error_event(self, upstream: FakeUpstream, pieces: Sequence[str], message: str) -> None:
        """Begin a stream, say `pieces`, then report an error inside it."""
        upstream.script(begun(pieces).then(event({"error": {"message": message, "code": 500}})))

    def script_overflow(self, upstream: FakeUpstream) -> None:
        """Refuse because the prompt does not fit the model."""
        told = {
            "message": "This model's maximum context length is 8 tokens, you asked for 9.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
        upstream.script(error(400, {"error": told}))

    def script_models(self, upstream: FakeUpstream, ids: Sequence[str]) -> None:
        """List these models."""
        upstream.models(ids)

    def script_vectors(self, upstream: FakeUpstream) -> None:
        """Make embeddings: vectors of one length, the same for the same text and no other."""
        upstream.on(vectors)

    def asked(self, seen: Seen) -> tuple[str, str]:
        """Return the model and the text of the last message that a request asked for."""
        return seen.json["model"], seen.json["messages"][-1]["content"]


def begun(pieces: Sequence[str]) -> Answer:
    """Return the beginning of a stream: the role with the first piece, the other pieces, no end."""
    deltas = [{"content": piece, **({"role": "assistant"} if not place else {})} for place, piece in enumerate(pieces)]
    return answer(*(event(chunk(delta)) for delta in deltas))


def _unknown(item: dict[str, Any]) -> dict[str, Any]:
    (choice,) = item["choices"]
    return {**item, "x_top": UNKNOWN["x_top"], "choices": [{**choice, "x_choice": UNKNOWN["x_choice"]}]}
