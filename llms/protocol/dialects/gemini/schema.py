"""JSON Schemas as Gemini reads them.

"Structured outputs" and "Generating content" name the keywords that count and say that others are ignored, so nothing
has to be taken out. What is rewritten here says the same in words that count, or would be refused as it stands.
"""

from __future__ import annotations

from typing import Any, Final

_OF_SCHEMAS: Final = frozenset({"properties", "$defs", "definitions", "patternProperties"})
"""Keywords whose value is an object of schemas: the keys in it are names."""
_SCHEMAS: Final = frozenset({"items", "prefixItems", "anyOf", "oneOf", "allOf", "additionalProperties", "not"})


def cleaned(schema: Any) -> Any:
    """Return a schema in Gemini's words.

    Beside a `$ref` only `$…` may stand; `definitions` is `$defs`; a `const` is an `enum` of one; an `allOf` of one is
    that one.
    """
    if isinstance(schema, list):
        return [cleaned(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {_renamed(key): _inside(key, value) for key, value in schema.items()}
    whole = found.get("allOf")
    if isinstance(whole, list) and len(whole) == 1 and isinstance(whole[0], dict):
        del found["allOf"]
        found = {**whole[0], **found}
    if isinstance(found.get("const"), str | int | float) and not isinstance(found["const"], bool):
        found.setdefault("enum", [found.pop("const")])
    if isinstance(found.get("$ref"), str):
        found = {key: value for key, value in found.items() if key.startswith("$")}
        found["$ref"] = found["$ref"].replace("#/definitions/", "#/$defs/")
    return found


def _renamed(key: str) -> str:
    return "$defs" if key == "definitions" else key


def _inside(key: str, value: Any) -> Any:
    if key in _OF_SCHEMAS and isinstance(value, dict):
        return {name: cleaned(each) for name, each in value.items()}
    return cleaned(value) if key in _SCHEMAS else value
