"""The JSON Schema: takes what loading takes, refuses what loading refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from pydantic import BaseModel, ConfigDict, Field

from llms.config.compose import compose
from llms.config.load import ConfigError, OptionProblem, loads
from llms.config.model import Config
from llms.config.nodes import REFUSED, Node
from llms.config.report import Report
from llms.config.schema import json_schema
from llms.config.source import checked
from llms.config.starter import starter
from llms.providers import registry

Read = Callable[..., Config]


class _Piece(BaseModel):
    model_config = ConfigDict(extra="forbid")
    path: str


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid")
    base_url: str
    pieces: dict[str, _Piece] = Field(default_factory=dict)


OPTION_SCHEMAS: dict[str, dict[str, Any]] = {
    "openai": {
        "type": "object",
        "properties": {"api_key": {"type": "string"}, "base_url": {"type": "string"}},
        "additionalProperties": False,
    },
    "anthropic": {"type": "object", "properties": {"api_key": {"type": "string"}}, "additionalProperties": False},
    "openai_compatible": {
        "type": "object",
        "properties": {
            "api_key": {"type": "string"},
            "base_url": {"type": "string"},
            "stream_usage": {"type": "string"},
            "headers": {"type": "object"},
        },
        "additionalProperties": False,
    },
    "sdk": {"properties": {"client": {"type": "string"}, "options": {"type": "object"}}, "additionalProperties": False},
    "llama_cpp": {
        "properties": {"library": {"type": "string"}, "memory": {"type": "string"}, "models": {"type": "object"}},
        "additionalProperties": False,
    },
    "pieces": _Options.model_json_schema(),
}


@pytest.fixture(scope="module")
def checker() -> jsonschema.Draft7Validator:
    schema = json_schema(OPTION_SCHEMAS)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def _as_an_editor_sees_it(text: str) -> Any:
    """Return the document by the rules of YAML 1.2, variables as they were written."""
    root = compose(Report(checked(text, filename="f")))
    return _plain(root) if root else None


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(entry.node) for key, entry in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(item) for item in node.value]
    return node.text if node.value is REFUSED else node.value


TAKEN = [
    "",
    "server:\nproviders:\nmodels:\ndefaults:\nkeys:\nui:\ndiscover:\ncluster:\nbudgets:\n",
    "discover: true\nserver: {port: 0, workers: 256, drain: 0, max_body: 1024, data_dir: null}",
    "defaults:\n  timeouts:\n  limits:\n",
    'server: {host: "${HOST:-h}", port: "${PORT:-1}", drain: "${D:-5s}", max_body: "${B:-1MiB}", workers: "2"}',
    'discover: "${ON:-true}"\nui: {enabled: "${ON:-true}", streaming: "${S:-plain}"}\nkeys: {required: "${R:-auto}"}',
    "keys: {required: false, static: [a, b, '']}\nstores: {usage: none}\nbatch: {max_ms: 0.5, max_tokens: 0}",
    "providers: {a: {type: openai, enabled: false}, B.1_c-d: {type: anthropic, retries: 0, limits: {queue: 0}}}",
    "providers: {a: {type: openai}}\n"
    'models: {x/y: {targets: [a/b/c:d]}, "p*": {targets: [{target: "a/*", weight: 0}, a/b]}}\n',
    "providers: {a: {type: pieces, base_url: x, pieces: {p: {path: y}}}}",
]

REFUSED_TEXTS = [
    "sever: {}",
    "server: {prot: 1}",
    "server: {port: 65536}",
    "server: {port: -1}",
    "server: {port: http}",
    "server: {port: 1.5}",
    "server: {host: ''}",
    "server: {host: 7}",
    "server: {drain: -5}",
    "server: {drain: soon}",
    "server: {max_body: 64MB}",
    "server: {allowed_hosts: x}",
    "server: [1]",
    "discover: maybe",
    "defaults: {timeouts: {connect: 0}}",
    "defaults: {timeouts: {conect: 1}}",
    "defaults: {limits: 3}",
    "defaults: {retries: 101}",
    "providers: [openai]",
    "providers: {a/b: {type: openai}}",
    "providers: {a: {}}",
    "providers: {a: {type: opnai}}",
    "providers: {a: {type: openai, retires: 3}}",
    "providers: {a: {type: openai, limits: {concurency: 3}}}",
    "providers: {a: {type: anthropic, base_url: x}}",
    "providers: {a: {type: openai, enabled: perhaps}}",
    "providers: {a: {type: pieces}}",
    "providers: {a: {type: pieces, base_url: x, pieces: {p: {paht: y}}}}",
    "models: {m: }",
    "models: {m: {}}",
    "models: {m: a/b}",
    "models: {m: {targets: []}}",
    "models: {m: {targets: a/b}}",
    "models: {m: {targets: [plain]}}",
    "models: {m: {targets: [7]}}",
    "models: {m: {targets: ['a/']}}",
    "models: {m: {targets: [{target: a/b, weight: -1}]}}",
    "models: {m: {targets: [{target: a/b, weight: 0}]}}",
    "models: {m: {targets: [{target: a/b, wieght: 1}]}}",
    "models: {m: {targets: [a/b], strategy: weightd}}",
    "models: {m: {targets: [a/b], single_flight: often}}",
    "models: {m: {targets: [a/b], cache: true}}",
    "models: {m: {targets: [a/b], cache: {tll: 10m}}}",
    "models: {'a*b*': {targets: [a/b]}}",
    "models: {'a b': {targets: [a/b]}}",
    "keys: {required: maybe}",
    "keys: {static: [1]}",
    "stores: {usage: pg}",
    "stores: {state: 'redis:/h'}",
    "ui: {streaming: none}",
    "batch: {max_ms: slow}",
    "resume: {buffer: 0}",
    "cluster: {}",
    "budgets: {x: 1}",
    "- a",
]


@pytest.mark.parametrize("text", [*TAKEN, starter()])
def test_what_loads_fits_the_schema(text: str, checker: jsonschema.Draft7Validator) -> None:
    assert list(checker.iter_errors(_as_an_editor_sees_it(text))) == []
    assert _load(text) is not None


def test_the_example_fits_the_schema(example: str, read: Read, checker: jsonschema.Draft7Validator) -> None:
    assert list(checker.iter_errors(_as_an_editor_sees_it(example))) == []
    assert read(example).providers


@pytest.mark.parametrize("text", REFUSED_TEXTS)
def test_what_does_not_load_does_not_fit_the_schema(text: str, checker: jsonschema.Draft7Validator) -> None:
    if text.startswith("models"):
        text = f"providers: {{a: {{type: openai}}}}\n{text}"
    assert not checker.is_valid(_as_an_editor_sees_it(text))
    assert _load(text) is None


def test_every_key_is_described_for_the_editor() -> None:
    schema = json_schema({})
    for name, definition in schema["$defs"].items():
        for key, described in definition.get("properties", {}).items():
            is_plain = "$ref" not in described and key not in ("enabled", "cache")
            assert "description" in described or not is_plain, f"{name}.{key}"


def _keys(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the schema of every key, however deep."""
    if isinstance(schema, list):
        for item in schema:
            yield from _keys(item)
    elif isinstance(schema, dict):
        yield from (key for key in schema.get("properties", {}).values() if isinstance(key, dict))
        for inner in schema.values():
            yield from _keys(inner)


def test_editors_are_told_defaults_that_may_be_written() -> None:
    schema = json_schema(registry.option_schemas())
    told = [key for key in _keys(schema) if "default" in key]

    assert len(told) > 50
    assert schema["$defs"]["Server"]["properties"]["drain"]["default"] == "30s"
    for key in told:
        jsonschema.Draft7Validator(key).validate(key["default"])


def test_the_schema_of_the_built_in_providers_takes_rows_of_all_kinds() -> None:
    checker = jsonschema.Draft7Validator(json_schema(registry.option_schemas()))
    jsonschema.Draft7Validator.check_schema(checker.schema)
    good = {"providers": {"a": {"type": "openai", "api_key": "${K}", "limits": {"queue": 1}}, "o": {"type": "ollama"}}}
    assert list(checker.iter_errors(good)) == []
    assert not checker.is_valid({"providers": {"a": {"type": "openai", "api_kye": "x"}}})
    assert not checker.is_valid({"providers": {"a": {"type": "nobody"}}})


def _load(text: str) -> Config | None:
    """Load with a check of rows by the same schemas."""
    try:
        return loads(
            text,
            filename="f",
            environ={},
            validate_options=_validate,
        )
    except ConfigError:
        return None


def _validate(kind: str, options: Any) -> list[Any]:
    if kind not in OPTION_SCHEMAS:
        return [OptionProblem(("type",), "unknown type")]
    errors = jsonschema.Draft7Validator(OPTION_SCHEMAS[kind]).iter_errors(options)
    return [OptionProblem(tuple(error.path), error.message) for error in errors]
