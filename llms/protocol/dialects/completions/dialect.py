"""OpenAI's legacy completions: prompts in, texts out; asked for as chats where a target does not speak them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, final

from llms.protocol import json
from llms.protocol.chat import ChatRequest, Chunk, Completion
from llms.protocol.dialects import Dialect, Telling, TellTexts, Told
from llms.protocol.dialects.completions.prompts import COMPLETIONS, chats, check, choices_each, refusal, texts
from llms.protocol.envelope import envelope
from llms.protocol.errors import LlmsError
from llms.protocol.native import Original
from llms.protocol.parse import parse_chat, parse_object
from llms.protocol.shape import Shape, around
from llms.protocol.sse import DONE, encode, escape_separators

_CHAT_ID: Final = "chatcmpl-"
_OF_CHATS: Final = frozenset({"message", "delta"})
_ENDS: Final = frozenset({"length", "content_filter"})
"""How completions may end beside `stop`."""


@final
class CompletionsDialect:
    """Each prompt is a chat of one message. Make one for each request: it remembers the prompts to be echoed."""

    __slots__ = ("_words",)
    opt_in: ClassVar[bool] = False

    def __init__(self) -> None:
        """Wait for the request."""
        self._words = _Words({"prompt": ""})

    def parse(self, raw: bytes, /, *, request_id: str, hops: int, stream: bool | None) -> ChatRequest:
        """Read a body, kept beside its chats for targets that speak completions."""
        body = parse_object(raw)
        check(body)
        several = chats(body)
        chat = parse_chat(json.dumps(several[0]), request_id=request_id, hops=hops, stream=stream)
        self._words = _Words(body)
        rest = tuple(several) if len(several) > 1 else ()
        original = Original(COMPLETIONS, body, refusal=refusal(body), chats=rest)
        return chat._replace(original=original)

    def whole(self, completion: Completion, told: Told, /) -> bytes:
        """Return the texts of all choices."""
        return _json(self._words.told(completion.object, "message"))

    def telling(self, request: ChatRequest, /) -> Telling:
        """Return what tells a stream, and remembers how far each text is."""
        return _Telling(self._words)


@final
class _Telling:
    """Tell texts as they grow; a chunk that adds nothing to any of them is left out."""

    __slots__ = ("_words",)

    def __init__(self, words: _Words) -> None:
        self._words = words

    def chunk(self, chunk: Chunk, /) -> bytes:
        events = []
        for item in chunk.objects:
            told = self._words.told(item, "delta")
            choices = [choice for choice in told["choices"] if _says_something(choice)]
            if choices or not told["choices"]:
                events.append(encode(_json({**told, "choices": choices})))
        return b"".join(events)

    def end(self, chunk: Chunk, told: Told, /) -> bytes:
        return self.chunk(chunk) + DONE

    def error(self, error: LlmsError, /) -> bytes:
        return encode(_json(envelope(error)))

    def growing(self, shape: Shape, /) -> TellTexts | None:
        item = shape.sample()
        [choice] = item["choices"]
        if not choice["delta"].get("content") or choice.get("logprobs"):
            return None
        told = self._words.told(item, "delta")
        found = around(told["choices"][0], "text", json.dumps(told), told)
        return Shape(*found).wire if found is not None else None


@final
class _Words:
    """Choices of chats as choices of completions, and where in prompt and text each of them stands."""

    __slots__ = ("_each", "_echo", "_offsets", "_prompts")

    def __init__(self, body: Mapping[str, Any]) -> None:
        self._prompts = texts(body)
        self._each = choices_each(body)
        self._echo = body.get("echo") is True
        self._offsets: dict[int, int] = {}
        """Characters of the prompt and of the tokens so far, for each choice that was met."""

    def told(self, item: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Return a chat's answer, or a chunk of it, as completions have it; `key` is where its choices' words are."""
        told = {**item, "object": "text_completion", "choices": [self._choice(one, key) for one in item["choices"]]}
        if str(item["id"]).startswith(_CHAT_ID):
            told["id"] = "cmpl-" + item["id"].removeprefix(_CHAT_ID)
        return told

    def _choice(self, choice: Mapping[str, Any], key: str) -> dict[str, Any]:
        index: int = choice["index"]
        words = choice[key]
        text = _text(words.get("content")) or _text(words.get("refusal"))
        if index not in self._offsets:
            prompt = self._prompt(index)
            self._offsets[index] = len(prompt)
            text = prompt + text if self._echo else text
        reason = choice.get("finish_reason")
        return {
            "text": text,
            **{name: value for name, value in choice.items() if name not in _OF_CHATS},
            "logprobs": self._logprobs(choice.get("logprobs"), index),
            "finish_reason": reason if reason is None or reason in _ENDS else "stop",
        }

    def _prompt(self, index: int) -> str:
        place = index // self._each
        return self._prompts[place] if place < len(self._prompts) else ""

    def _logprobs(self, found: Mapping[str, Any] | None, index: int) -> dict[str, Any] | None:
        """Return log probabilities in lists by token; offsets are in characters from the start of the prompt."""
        listed = found.get("content") if isinstance(found, dict) else None
        tokens = [token for token in listed or () if isinstance(token, dict) and isinstance(token.get("token"), str)]
        if not tokens:
            return None
        offsets = []
        for token in tokens:
            offsets.append(self._offsets[index])
            self._offsets[index] += len(token["token"])
        return {
            "tokens": [token["token"] for token in tokens],
            "token_logprobs": [token.get("logprob") for token in tokens],
            "top_logprobs": [_likely(token) for token in tokens],
            "text_offset": offsets,
        }


def _likely(token: Mapping[str, Any]) -> dict[str, Any]:
    """Return the likeliest tokens of a place, and the one that was taken."""
    likely = {_text(one.get("token")): one.get("logprob") for one in token.get("top_logprobs") or ()}
    return {**likely, token["token"]: token.get("logprob")}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _says_something(choice: Mapping[str, Any]) -> bool:
    return bool(choice["text"] or choice["finish_reason"] or choice["logprobs"])


def _json(value: object) -> bytes:
    return escape_separators(json.dumps(value))


_: type[Dialect] = CompletionsDialect
