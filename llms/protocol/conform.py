"""Make the chunks of any upstream what clients may rely on, touching only what has to change.

The rules are those of the wire contract: constant id, created and model; a role on the first chunk of each
choice and on no other; one finish reason of OpenAI's five per choice; no null delta; tool calls with index, id,
type and string arguments once; no half characters; chunks without choices only as the one usage chunk at the
end, and only when asked; usage nowhere else then, as there are clients that add up all they are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llms.protocol.chat import FINISH_REASONS, Chunk, ChunkObject, Usage
from llms.protocol.finish import finish_reason
from llms.protocol.json import same
from llms.protocol.opening import opens_plainly
from llms.protocol.parts import join_parts
from llms.protocol.shape import Passable, Shape
from llms.protocol.surrogates import Surrogates
from llms.protocol.tools import ToolCalls

_CHUNK_KEYS: Final = frozenset({"id", "object", "created", "model", "choices", "usage"})
_NO_TEXT: Final = frozenset({"role", "tool_calls"})
"""What is never text in a clean delta; the role stands on a choice's first chunk, which is always looked at closely."""
_NEVER: Final = object()
"""Equal to nothing that an upstream can send."""


class Conform:
    """Check and repair one stream; also knows at its end whether it was whole and what it used."""

    __slots__ = (
        "_created",
        "_expected_created",
        "_extra",
        "_fallback_id",
        "_id",
        "_model",
        "_open",
        "_surrogates",
        "_tools",
        "_usage_alone",
        "_usage_chunk",
        "finish",
        "include_usage",
        "steady",
        "usage",
    )

    def __init__(
        self, *, model: str, fallback_id: str, created: int, include_usage: bool, running_usage: bool = False
    ) -> None:
        """Take what to say where the upstream says nothing: `model`, `fallback_id`, `created` (Unix seconds).

        `running_usage` leaves usage on every chunk, for clients that asked for it there.
        """
        self._id: str | None = None
        self._fallback_id = fallback_id
        self._created = created
        self._expected_created: object = _NEVER
        self._model = model
        self._open: dict[int, bool] = {}
        self._extra: dict[str, Any] = {}
        self._tools: ToolCalls | None = None
        self._surrogates: Surrogates | None = None
        self.steady: Shape | None = None
        """The shape that passed last, with nothing since that could change what passes."""
        self._usage_chunk: tuple[ChunkObject, bytes | None] | None = None
        self.include_usage = include_usage
        self._usage_alone = include_usage and not running_usage
        self.usage: Mapping[str, Any] | None = None
        self.finish: str | None = None

    @property
    def complete(self) -> bool:
        """Tell whether every choice seen had its finish reason."""
        return bool(self._open) and not any(self._open.values())

    def lets_pass(self, shape: Passable) -> bool:
        """Tell whether events of a shape may pass by without `apply`, which would change nothing in them or here."""
        return shape is self.steady

    def apply(self, chunk: Chunk) -> Chunk | None:
        """Return the chunk as clients may see it: the same when nothing had to change, None when nothing is left."""
        shape = chunk.shape
        if shape is not None and shape is self.steady and chunk.wire is not None:
            return chunk
        for position, item in enumerate(chunk.decoded):
            if item is None:
                if shape is self.steady:
                    continue
                item = chunk.decode(position)
                self.steady = shape
            if not self._clean(item):
                return self._rebuild(chunk, position)
        return chunk

    @property
    def told(self) -> Usage | None:
        """Return the usage as far as the upstream told of it."""
        return Usage.of(self.usage)

    def ending(self, seen: Chunk | None) -> Chunk:
        """Return the final chunk: what came last, and the usage that was asked for."""
        return Chunk.joined([part for part in (seen, self.last()) if part is not None])

    def last(self) -> Chunk | None:
        """Return the usage chunk that ends the stream, when the client asked for one and usage is known."""
        if not self.include_usage or self.usage is None:
            return None
        item, payload = self._usage_chunk or ({"choices": [], "usage": self.usage}, None)
        mended = {**self._extra, **item, **self._head()}
        if payload is not None and same(mended, item):
            return Chunk([item], [payload])
        return Chunk.of(mended)

    def _clean(self, item: ChunkObject) -> bool:
        """Tell whether an object may pass as it is, noting finish reasons and usage; the hot path."""
        choices = item.get("choices")
        if (
            not choices
            or self._extra
            or item.get("id") != self._id
            or item.get("model") != self._model
            or item.get("created") != self._expected_created
            or item.get("object") != "chat.completion.chunk"
            or choices.__class__ is not list
            or self._surrogates is not None
        ):
            return False
        try:
            return self._are_clean(choices, item)
        except UnicodeEncodeError:
            return False

    def _are_clean(self, choices: list[Any], item: ChunkObject) -> bool:
        """Tell whether all choices may pass as they are; UnicodeEncodeError for half a character."""
        closed: dict[int, str] = {}
        for choice in choices:
            index = choice.get("index") if choice.__class__ is dict else None
            if index.__class__ is not int or index not in self._open:
                return False
            delta = choice.get("delta")
            if delta.__class__ is not dict:
                return False
            for name, value in delta.items():
                if value.__class__ is str:
                    if name in _NO_TEXT:
                        return False
                    if not value.isascii():
                        value.encode()
                elif name == "tool_calls":
                    if value and (self._tools is None or not self._tools.continues(index, value)):
                        return False
                elif name == "content" and value is not None:
                    return False
            reason = choice.get("finish_reason", "")
            if reason is not None:
                if self._tools is not None or reason.__class__ is not str or reason not in FINISH_REASONS:
                    return False
                if not self._open[index] or index in closed:
                    return False
                closed[index] = reason
        if closed or item.get("usage") is not None:
            if self._usage_alone and item.get("usage"):
                return False
            self._note(item, closed)
        return True

    def _note(self, item: ChunkObject, closed: Mapping[int, str]) -> None:
        """Remember the usage that an object tells and the choices that it ends."""
        for index, reason in closed.items():
            self._open[index] = False
            self.finish = reason
        usage = item.get("usage")
        if not usage and "x_groq" in item:
            groq = item["x_groq"]
            usage = groq.get("usage") if isinstance(groq, dict) else None
        if usage and isinstance(usage, dict):
            self.usage = usage

    def _rebuild(self, chunk: Chunk, start: int) -> Chunk | None:
        """Pass the clean objects of a chunk and mend the others, from the first unclean one on."""
        self.steady = None
        known = chunk.bytes_of or [None] * chunk.count
        decoded = chunk.decoded
        objects, payloads = list(decoded[:start]), list(known[:start])
        changed = False
        for position in range(start, chunk.count):
            item = decoded[position]
            if item is None and self.steady is chunk.shape:
                objects.append(None)
                payloads.append(known[position])
                continue
            if item is None:
                item = chunk.decode(position)
                self.steady = chunk.shape
            mended = item if position > start and self._clean(item) else self._mend(item, known[position])
            if mended is not None:
                objects.append(mended)
                payloads.append(known[position] if mended is item else None)
            if mended is not item:
                changed, self.steady = True, None
        if not changed:
            return chunk
        if not objects:
            return None
        rebuilt = Chunk(objects, payloads, chunk.shape)
        rebuilt.final = chunk.final
        rebuilt.skipped = chunk.skipped
        rebuilt.upstream_request_id = chunk.upstream_request_id
        return rebuilt

    def _mend(self, item: ChunkObject, payload: bytes | None) -> ChunkObject | None:
        choices = item.get("choices")
        if not choices or not isinstance(choices, list):
            self._set_aside(item, payload)
            return None
        is_first = not self._open
        self._adopt(item)
        if is_first and not self._extra and opens_plainly(item):
            self._open[0] = True
            return item
        mended_choices = [self._mend_choice(choice, place) for place, choice in enumerate(choices)]
        mended = {**self._extra, **item, **self._head(), "choices": mended_choices}
        self._extra = {}
        self._note(item, {})
        if self._usage_alone and item.get("usage"):
            mended["usage"] = None
        return item if same(mended, item) else mended

    def _set_aside(self, item: ChunkObject, payload: bytes | None) -> None:
        """Keep usage for the end and vendor fields for the next chunk; a chunk without choices is not passed."""
        self._note(item, {})
        if isinstance(item.get("usage"), dict):
            self._usage_chunk = ({**item, "choices": []}, payload if item.get("choices") == [] else None)
            return
        self._extra.update({key: value for key, value in item.items() if key not in _CHUNK_KEYS})

    def _adopt(self, item: ChunkObject) -> None:
        """Take id, created and model from the first chunk that has choices."""
        if self._id is not None:
            return
        given, created, model = item.get("id"), item.get("created"), item.get("model")
        self._id = given if isinstance(given, str) and given else self._fallback_id
        if isinstance(created, int | float) and created >= 1:
            self._created = int(created)
        if created.__class__ is int:
            self._expected_created = self._created
        if isinstance(model, str) and model:
            self._model = model

    def _head(self) -> dict[str, Any]:
        return {
            "id": self._id or self._fallback_id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
        }

    def _mend_choice(self, choice: object, place: int) -> dict[str, Any]:
        """Return a choice with an index, a delta and a legal finish reason."""
        given: dict[str, Any] = choice if isinstance(choice, dict) else {}
        index = given.get("index")
        if not isinstance(index, int) or isinstance(index, bool):
            index = place
        delta = self._mend_delta(given, index)
        reason = finish_reason(given.get("finish_reason"))
        if reason is not None:
            reason = self._finish(index, delta, reason) if self._open[index] else None
        return {**given, "index": index, "delta": delta, "finish_reason": reason}

    def _finish(self, index: int, delta: dict[str, Any], reason: str) -> str:
        self._open[index] = False
        if self._surrogates is not None:
            self._surrogates = self._surrogates.flush(index, delta)
        if self._tools is not None and self._tools.close(index, delta) and reason == "stop":
            reason = "tool_calls"
        self.finish = reason
        return reason

    def _mend_delta(self, choice: Mapping[str, Any], index: int) -> dict[str, Any]:
        found = choice.get("delta")
        delta: dict[str, Any] = dict(found) if isinstance(found, dict) else {}
        if index not in self._open:
            self._open[index] = True
            delta["role"] = delta.get("role") or "assistant"
        elif delta.get("role") is not None:
            # Clients that add up the fields of deltas would read "assistantassistant".
            del delta["role"]
        join_parts(delta)
        if delta.get("tool_calls"):
            self._tools = self._tools or ToolCalls(self._id or self._fallback_id)
            delta["tool_calls"] = self._tools.mend(index, delta["tool_calls"])
        self._surrogates = Surrogates.mend(self._surrogates, index, delta)
        return delta
