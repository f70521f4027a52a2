"""What is read of a client's body is held to its type first; an error names the field in the client's own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from llms.protocol import json
from llms.protocol.errors import InvalidRequest, excerpt

_ENOUGH = 200


def refuse(where: str, expected: str, found: object) -> NoReturn:
    """Raise the error for a value of a wrong type."""
    part = found[:_ENOUGH] if isinstance(found, str) else found
    shown = "nothing" if found is None else excerpt(json.dumps(part).decode())
    raise InvalidRequest(f"`{where}` must be {expected}, found {shown}.", param=where)


def objects(value: Any, where: str) -> Sequence[Mapping[str, Any]]:
    """Return a list of objects."""
    if not isinstance(value, list):
        refuse(where, "a list", value)
    for at, item in enumerate(value):
        if not isinstance(item, dict):
            refuse(f"{where}[{at}]", "an object", item)
    return value


def object_at(holder: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    """Return a field that must be an object."""
    value = holder.get(name)
    if not isinstance(value, dict):
        refuse(f"{where}.{name}", "an object", value)
    return value


def text_at(holder: Mapping[str, Any], name: str, where: str) -> str:
    """Return a field that must be a string."""
    value = holder.get(name)
    if not isinstance(value, str):
        refuse(f"{where}.{name}", "a string", value)
    return value


def texts(value: Any, where: str) -> Sequence[str]:
    """Return a list of strings."""
    if not isinstance(value, list):
        refuse(where, "a list of strings", value)
    for at, item in enumerate(value):
        if not isinstance(item, str):
            refuse(f"{where}[{at}]", "a string", item)
    return value
