"""The pieces of an answer as they go to the client: `chat.completion.chunk` objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import orjson

from llms.providers.llama_cpp.child.answer.delta import Argued, Called, Delta, Said

_OBJECT: Final = "chat.completion.chunk"


@final
class Pieces:
    """Word the pieces of one answer."""

    __slots__ = ("_calls", "_common", "_said")

    def __init__(self, *, answer_id: str, created: int, model: str, fingerprint: str) -> None:
        """Take what all pieces say alike; `created` is in Unix seconds."""
        common = {"created": created, "id": answer_id, "model": model, "system_fingerprint": fingerprint}
        self._common = {**common, "object": _OBJECT}
        before, _, after = self._choice({"content": ""}, None, None).partition(b'""')
        self._said = before, after
        self._calls = 0

    @property
    def calls(self) -> int:
        """Return how many tool calls were worded."""
        return self._calls

    def role(self) -> bytes:
        """Word the beginning."""
        return self._choice({"role": "assistant", "content": ""}, None, None)

    def delta(self, delta: Delta, call_id: str, logprobs: Sequence[Mapping[str, Any]]) -> bytes:
        """Word something new; `call_id` is for a call that begins with it."""
        if isinstance(delta, Said):
            if not logprobs:
                return orjson.dumps(delta.text).join(self._said)
            return self._choice({"content": delta.text}, None, logprobs)
        if isinstance(delta, Called):
            call = {"index": self._calls, "id": call_id, "type": "function"}
            self._calls += 1
            return self._choice(_calling({**call, "function": {"name": delta.name, "arguments": ""}}), None, logprobs)
        if isinstance(delta, Argued):
            more = {"index": self._calls - 1, "function": {"arguments": delta.text}}
            return self._choice(_calling(more), None, logprobs)
        return self._choice({"reasoning_content": delta.text}, None, logprobs)

    def finish(self, reason: str, logprobs: Sequence[Mapping[str, Any]]) -> bytes:
        """Word the end of the answer."""
        return self._choice({}, reason, logprobs)

    def usage(self, *, prompt: int, cached: int, completion: int, timings: Mapping[str, float]) -> bytes:
        """Word what the answer took, in tokens."""
        usage = {
            "completion_tokens": completion,
            "prompt_tokens": prompt,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        return orjson.dumps({"choices": [], **self._common, "usage": usage, "timings": timings})

    def progress(self, *, prompt: int, cached: int, done: int, seconds: float) -> bytes:
        """Word how far the prompt is read."""
        progress = {"total": prompt, "cache": cached, "processed": done, "time_ms": round(seconds * 1000)}
        return orjson.dumps({"choices": [], **self._common, "prompt_progress": progress})

    def _choice(self, delta: Mapping[str, Any], reason: str | None, logprobs: Sequence[Any] | None) -> bytes:
        choice: dict[str, Any] = {"finish_reason": reason, "index": 0, "delta": delta}
        if logprobs:
            choice["logprobs"] = {"content": logprobs}
        return orjson.dumps({"choices": [choice], **self._common})


def too_long(*, prompt: int, n_ctx: int) -> bytes:
    """Word the refusal of a prompt that leaves no room for an answer."""
    error = {
        "code": 400,
        "type": "exceed_context_size_error",
        "message": f"request ({prompt} tokens) exceeds the available context size ({n_ctx} tokens)",
        "n_prompt_tokens": prompt,
        "n_ctx": n_ctx,
    }
    return orjson.dumps({"error": error})


def _calling(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [call]}
