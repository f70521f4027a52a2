"""How nearly all streams begin: with the role, in a chunk of which nothing has to be mended."""

from __future__ import annotations

from typing import Final

from llms.protocol.chat import ChunkObject

_FIELDS: Final = frozenset({"role", "content", "refusal"})


def opens_plainly(item: ChunkObject) -> bool:
    """Tell whether the first chunk of a stream, which has choices, may pass as it is."""
    choices, created = item["choices"], item.get("created")
    choice = choices[0]
    if len(choices) != 1 or choice.__class__ is not dict or choice.get("index").__class__ is not int:
        return False
    delta = choice.get("delta")
    return (
        delta.__class__ is dict
        and choice["index"] == 0
        and choice.get("finish_reason", "") is None
        and _says_no_more(delta)
        and item.get("object") == "chat.completion.chunk"
        and item.get("usage") is None
        and "x_groq" not in item
        and created.__class__ is int
        and created >= 1
        and _is_name(item.get("id"))
        and _is_name(item.get("model"))
    )


def _says_no_more(delta: ChunkObject) -> bool:
    """Tell whether a delta holds the role, and plain text at most."""
    content = delta.get("content")
    return (
        delta.get("role") == "assistant"
        and (content is None or (content.__class__ is str and content.isascii()))
        and delta.keys() <= _FIELDS
        and not delta.get("refusal")
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)
