"""docs/CONFIGURATION.md: every key with its default, every type and variable; and the excerpts of files load."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from llms.config.load import loads
from llms.config.model import SECTIONS, Cache, Config, ModelRow, Target
from llms.config.section import Section
from llms.providers import registry
from llms.providers.anthropic import Options as AnthropicOptions
from llms.providers.azure import Options as AzureOptions
from llms.providers.bedrock import Options as BedrockOptions
from llms.providers.echo import Options as EchoOptions
from llms.providers.gemini import Options as GeminiOptions
from llms.providers.known import KNOWN
from llms.providers.llama_cpp import ModelOptions
from llms.providers.llama_cpp import Options as LlamaOptions
from llms.providers.openai_compatible import Options as CompatibleOptions
from llms.providers.sdk import Options as SdkOptions
from tests.docs.markdown import PAGES, ROOT, Block, Row, blocks, codes, rows

PAGE = "docs/CONFIGURATION.md"
OPTIONS: dict[str, tuple[type[Section], dict[str, Any]]] = {
    "openai_compatible": (CompatibleOptions, {"base_url": "http://127.0.0.1/v1"}),
    "anthropic": (AnthropicOptions, {}),
    "azure": (AzureOptions, {"base_url": "http://127.0.0.1"}),
    "bedrock": (BedrockOptions, {"region": "us-east-1", "api_key": "k"}),
    "gemini": (GeminiOptions, {}),
    "sdk": (SdkOptions, {"client": "openai:AsyncOpenAI"}),
    "llama_cpp": (LlamaOptions, {}),
    "echo": (EchoOptions, {}),
}


def _leaves(model: type[Section], prefix: str) -> Iterator[str]:
    for name, field in model.fields().items():
        kind = field.kind
        if isinstance(kind, type) and issubclass(kind, Section):
            yield from _leaves(kind, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}"


def _documented() -> dict[str, str]:
    """Return the default of every key that is documented with its whole path."""
    return {row.key: codes(row.cells[1])[0] for row in rows(PAGE, first="key") if "required" not in row.cells[1]}


def test_every_key_of_the_sections_is_documented_and_no_other() -> None:
    wanted = {"discover"} | {path for name, model in SECTIONS.items() for path in _leaves(model, name)}
    found = {key for key in _documented() if "." in key and "NAME" not in key} | ({"discover"} & set(_documented()))

    assert found == wanted


def test_the_documented_defaults_are_the_defaults() -> None:
    tree: dict[str, Any] = {}
    for key, default in _documented().items():
        section, *rest = key.split(".")
        if section in SECTIONS:
            holder = tree.setdefault(section, {})
            for step in rest[:-1]:
                holder = holder.setdefault(step, {})
            holder[rest[-1]] = yaml.safe_load(default)
    config = loads(yaml.safe_dump(tree), filename="p.yaml", environ={}, validate_options=registry.validate)

    for name in SECTIONS:
        assert getattr(config, name) == getattr(Config(), name)
    assert yaml.safe_load(_documented()["discover"]) == Config().discover


def test_the_keys_that_every_row_has_are_documented() -> None:
    found = {row.key for row in rows(PAGE, first="key") if row.key.startswith("providers.NAME.")}

    assert found == {"providers.NAME.type", "providers.NAME.enabled"}


def test_every_key_of_a_name_and_of_a_target_is_documented() -> None:
    found = rows(PAGE, first="key")
    of_names = {row.key.removeprefix("models.NAME."): row for row in found if row.key.startswith("models.NAME.")}
    of_targets = {row.key: row for row in found if row.section == "models" and "." not in row.key}

    of_cache = {key: of_names.pop(key) for key in [*of_names] if key.startswith("cache.")}

    _check_options(of_names, ModelRow, {"targets": ["a/b"]})
    _check_options({key.removeprefix("cache."): row for key, row in of_cache.items()}, Cache, {})
    _check_options(of_targets, Target, {"target": "a/b"})


@pytest.mark.parametrize("kind", OPTIONS)
def test_every_own_key_of_a_provider_type_is_documented(kind: str) -> None:
    model, required = OPTIONS[kind]
    found = {row.key: row for row in rows(PAGE, first="key") if row.section == kind}
    of_models = {key: row for key, row in found.items() if key in ModelOptions.fields()}
    if kind == "llama_cpp":
        _check_options(of_models, ModelOptions, {"path": "embedded"})
        found = {key: row for key, row in found.items() if key not in of_models}

    _check_options(found, model, required)


def _check_options(found: dict[str, Row], model: type[Section], required: dict[str, Any]) -> None:
    """Assert that the rows are the fields of a model, with their defaults."""
    assert found.keys() == {field.key for field in model.fields().values()}
    assert {key for key, row in found.items() if row.cells[1] == "required"} == required.keys()
    defaults = {key: yaml.safe_load(codes(row.cells[1])[0]) for key, row in found.items() if key not in required}
    assert model.read(required | defaults) == model.read(required)


def test_every_built_in_type_is_documented() -> None:
    assert OPTIONS.keys() == registry.BUILT_IN.keys()


def test_every_well_known_type_is_documented_with_its_variables() -> None:
    documented = {row.key: (codes(row.cells[1]), codes(row.cells[2])) for row in rows(PAGE, first="type")}

    assert documented == {name: ([*row.key_variables], [*row.url_variables]) for name, row in KNOWN.items()}


def test_the_ports_that_are_looked_at_are_documented() -> None:
    text = (ROOT / PAGE).read_text()

    for name, row in KNOWN.items():
        assert row.port is None or f"`{name}` {row.port}" in text


def test_every_variable_of_our_own_is_documented() -> None:
    used = set()
    for path in [*(ROOT / "llms").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used |= {node.value} if re.fullmatch(r"LLMS_[A-Z_]+", node.value) else set()

    assert {row.key for row in rows(PAGE, first="variable")} == used


EXCERPTS = [block for page in PAGES for block in blocks(page) if block.test == "config"]


def test_there_are_excerpts() -> None:
    providers = {f"docs/providers/{page}.md" for page in ("anthropic", "azure", "bedrock", "gemini")}
    assert {block.page for block in EXCERPTS} == {"README.md", PAGE, *providers}


@pytest.mark.parametrize("block", EXCERPTS, ids=lambda block: block.page)
def test_an_excerpt_loads_and_uses_every_row(block: Block) -> None:
    variables = re.findall(r"\$\{(\w+)", block.text)
    config = loads(
        block.text,
        filename=block.page,
        environ=dict.fromkeys(variables, "value-of-a-variable"),
        validate_options=registry.validate,
        known_providers=[*KNOWN, "local"],
    )

    assert config.providers.keys() == yaml.safe_load(block.text)["providers"].keys()
    assert config.skipped == {}
    assert config.notes == ()
