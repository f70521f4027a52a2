"""What a legacy completion asks for: its prompts, the chats that ask for the same, and what no chat can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from llms.protocol import json
from llms.protocol.errors import InvalidRequest, excerpt

COMPLETIONS: Final = "completions"
"""The name of the dialect."""
MOST_PROMPTS: Final = 2048
"""Prompts of one request: as many as embeddings may have inputs."""
_PROMPT: Final = "a string, a list of strings, a list of token ids, or a list of such lists"
_OF_CHATS: Final = ("messages", "tools", "functions")
_OURS: Final = frozenset({"prompt", "suffix", "echo", "best_of", "logprobs"})
_FLAG: Final = (bool, "true or false")
_COUNT: Final = (int, "an integer of at least 0")
_KINDS: Final[Mapping[str, tuple[type, str]]] = {
    "suffix": (str, "a string"),
    "echo": _FLAG,
    "logprobs": _COUNT,
    "max_tokens": _COUNT,
    "n": (int, "an integer of at least 1"),
    "best_of": (int, "an integer of at least 1"),
}
_ENOUGH: Final = 1024
"""Of a long text no more is looked at for a message."""


def check(body: Mapping[str, Any]) -> None:
    """Hold the fields that chats don't have, or have otherwise, to their types; raise InvalidRequest."""
    for name in _OF_CHATS:
        if body.get(name) is not None:
            raise InvalidRequest(f"`{name}` belongs to /v1/chat/completions; here is only `prompt`.", param=name)
    if "prompt" not in body:
        raise InvalidRequest(f"`prompt` is missing; it must be {_PROMPT}.", param="prompt")
    _check_prompt(body["prompt"])
    for name, (kind, expected) in _KINDS.items():
        value = body.get(name)
        if value is None:
            continue
        least = 1 if name in ("n", "best_of") else 0
        if value.__class__ is not kind or (isinstance(value, int) and value < least):
            _refuse(name, expected, value)


def texts(body: Mapping[str, Any]) -> Sequence[str]:
    """Return the prompts that are texts; empty where they are token ids."""
    prompt = body["prompt"]
    if isinstance(prompt, str):
        return (prompt,)
    return prompt if isinstance(prompt[0], str) else ()


def choices_each(body: Mapping[str, Any]) -> int:
    """Return how many choices each prompt gets."""
    count: int = body.get("n") or 1
    return count


def chats(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the body of a chat for each prompt, one with an empty text where there are only token ids."""
    fields = {name: value for name, value in body.items() if name not in _OURS}
    if not fields.get("max_tokens"):
        fields.pop("max_tokens", None)
    if (most := body.get("logprobs")) is not None:
        fields |= {"logprobs": True, "top_logprobs": most}
    return [{**fields, "messages": [{"role": "user", "content": text}]} for text in texts(body) or ("",)]


def refusal(body: Mapping[str, Any]) -> InvalidRequest | None:
    """Return why a chat cannot ask for the same; None where it can."""
    if not texts(body):
        return _beyond("prompt", "token ids")
    if body.get("suffix"):
        return _beyond("suffix", "a suffix")
    if (body.get("best_of") or choices_each(body)) != choices_each(body):
        return _beyond("best_of", "a `best_of` other than `n`")
    if body.get("echo") and body.get("logprobs") is not None:
        return _beyond("logprobs", "the log probabilities of a prompt (`echo` with `logprobs`)")
    if body.get("max_tokens") == 0:
        return _beyond("max_tokens", "a `max_tokens` of 0")
    return None


def _beyond(field: str, what: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{field}`: {what} can only be had of a provider that speaks completions itself, and this model's is asked "
        f"by chat. Leave it out, or list completions under `dialects` in the provider's row.",
        param=field,
    )


def _check_prompt(prompt: object) -> None:
    if isinstance(prompt, str):
        return
    if not isinstance(prompt, list) or not prompt:
        _refuse("prompt", _PROMPT, prompt)
    first = prompt[0]
    if first.__class__ is int:
        _check_tokens(prompt, "prompt")
        return
    if len(prompt) > MOST_PROMPTS:
        raise InvalidRequest(f"`prompt` has {len(prompt)} entries; {MOST_PROMPTS} are the most.", param="prompt")
    for position, item in enumerate(prompt):
        where = f"prompt[{position}]"
        if isinstance(first, str) and not isinstance(item, str):
            _refuse(where, "a string, as the one before it", item)
        if not isinstance(first, str):
            if not isinstance(item, list) or not item:
                _refuse(where, "a string or a non-empty list of token ids", item)
            _check_tokens(item, where)


def _check_tokens(tokens: Sequence[object], where: str) -> None:
    for position, token in enumerate(tokens):
        if not isinstance(token, int) or token.__class__ is bool or token < 0:
            _refuse(f"{where}[{position}]", "a token id", token)


def _refuse(name: str, expected: str, found: object) -> NoReturn:
    part = found[:_ENOUGH] if isinstance(found, str | list) else found
    shown = excerpt(json.dumps(part).decode())
    raise InvalidRequest(f"`{name}` must be {expected}, found {shown}.", param=name)
