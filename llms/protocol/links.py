"""Links to pictures and files in a chat: which there are, and the same chat with their bytes in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

_PLACES: Final[Mapping[str, str]] = {"image_url": "url", "file": "file_data"}
"""By the type of a part: where the address is in the object of the same name."""


class Link(NamedTuple):
    """One address that a client wants a model to look at."""

    url: str
    param: str
    """The path of the field."""
    kind: Literal["image_url", "file"]


def links(body: Mapping[str, Any]) -> list[Link]:
    """Return the http(s) addresses in a chat's messages, in order; anything else, such as `data:`, is no link."""
    return [
        Link(url, f"messages[{number}].content[{place}].{path}", part["type"])
        for number, message in enumerate(body.get("messages") or ())
        for place, part in _parts(message)
        for url, path in [_address(part)]
        if url[:8].lower().startswith(("http://", "https://"))
    ]


def replaced(body: Mapping[str, Any], data: Mapping[str, str]) -> dict[str, Any]:
    """Return a chat with each address in `data` replaced by its value; what holds none is shared, not copied."""
    return {**body, "messages": [_message(message, data) for message in body["messages"]]}


def _parts(message: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    content = message.get("content") if isinstance(message, dict) else None
    for place, part in enumerate(content if isinstance(content, list) else ()):
        if isinstance(part, dict) and part.get("type") in ("image_url", "file"):
            yield place, part


def _address(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return what stands where an address may be, and its path; `image_url` may be the address itself."""
    kind = part["type"]
    holder = part.get(kind)
    if isinstance(holder, str):
        return holder, kind
    value = holder.get(_PLACES[kind]) if isinstance(holder, dict) else None
    return (value if isinstance(value, str) else ""), f"{kind}.{_PLACES[kind]}"


def _message(message: Any, data: Mapping[str, str]) -> Any:
    found = {place: _part(part, data[url]) for place, part in _parts(message) if (url := _address(part)[0]) in data}
    if not found:
        return message
    return {**message, "content": [found.get(place, part) for place, part in enumerate(message["content"])]}


def _part(part: Mapping[str, Any], value: str) -> dict[str, Any]:
    kind = part["type"]
    holder = part[kind] if isinstance(part[kind], dict) else {}
    return {**part, kind: {**holder, _PLACES[kind]: value}}
