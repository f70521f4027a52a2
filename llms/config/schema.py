"""Describe providers.yaml as a JSON Schema, for editors that complete and check while one writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llms.config.model import SECTIONS, Conduct, ModelRow
from llms.config.names import LONGEST_MODEL, MODEL_PATTERN, PROVIDER_PATTERN
from llms.config.section import Section
from llms.config.values import Flag

_NOT_BUILT = {"type": "null", "description": "Not built yet."}


def json_schema(option_schemas: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of providers.yaml.

    `option_schemas` holds, for each provider type, the schema of the keys that are its own.
    """
    definitions = _definitions()
    rows = _row_schema(option_schemas, definitions)
    properties: dict[str, Any] = {
        "discover": _nullable(Flag().schema()) | {"description": "Look for providers in the environment too."},
        **{name: {"$ref": f"#/$defs/{model.__name__}"} for name, model in SECTIONS.items()},
        "providers": {
            "type": ["object", "null"],
            "propertyNames": {"pattern": PROVIDER_PATTERN},
            "additionalProperties": rows,
        },
        "models": {
            "type": ["object", "null"],
            "propertyNames": {"pattern": MODEL_PATTERN, "maxLength": LONGEST_MODEL},
            "additionalProperties": {"$ref": "#/$defs/ModelRow"},
        },
        "cluster": _NOT_BUILT,
        "budgets": _NOT_BUILT,
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "providers.yaml",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
        "$defs": definitions,
    }


def _definitions() -> dict[str, Any]:
    """Return the schemas of all sections by name."""
    models: list[type[Section]] = [*SECTIONS.values(), Conduct, ModelRow]
    definitions = {model.__name__: model.schema() for model in models}
    weightless = {"type": "object", "properties": {"weight": {"const": 0}}, "required": ["weight"]}
    definitions["ModelRow"]["properties"]["targets"] |= {"minItems": 1, "contains": {"not": weightless}}
    return definitions


def _row_schema(option_schemas: Mapping[str, dict[str, Any]], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a provider row; the keys of each type are checked where `type` names it."""
    shared = definitions.pop("Conduct")["properties"] | {"enabled": Flag().schema()}
    kind: dict[str, Any] = {"type": "string", "description": "What kind of provider this is."}
    if option_schemas:
        kind["enum"] = sorted(option_schemas)
    branches = []
    for name in sorted(option_schemas):
        own = _hoisted(name, option_schemas[name], definitions)
        open_keys = dict.fromkeys(("type", *shared), True)
        condition = {"properties": {"type": {"const": name}}, "required": ["type"]}
        branches.append({"if": condition, "then": own | {"properties": open_keys | own.get("properties", {})}})
    row = {"type": "object", "required": ["type"], "properties": {"type": kind, **shared}}
    return row | {"allOf": branches} if branches else row


def _hoisted(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with its own `$defs` moved into `definitions`, under names that cannot clash."""
    prefix = f"#/$defs/{name}."
    for key, definition in schema.get("$defs", {}).items():
        definitions[f"{name}.{key}"] = _repointed(definition, prefix)
    rest = {key: value for key, value in schema.items() if key not in ("$defs", "$schema", "title")}
    moved: dict[str, Any] = _repointed(rest, prefix)
    return moved


def _repointed(schema: Any, prefix: str) -> Any:
    if isinstance(schema, list):
        return [_repointed(item, prefix) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.replace("#/$defs/", prefix, 1)
        if key == "$ref" and isinstance(value, str)
        else _repointed(value, prefix)
        for key, value in schema.items()
    }


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}
