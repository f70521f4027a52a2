"""The starter file: starts everywhere as it is, and everything in its comments is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llms.config.load import load, loads
from llms.config.model import Config
from llms.config.starter import starter
from llms.providers import registry

ROOT = Path(__file__).parents[2]
KEYS = {
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "GROQ_API_KEY",
    "AIREFINERY_API_KEY",
    "ELSEWHERE_API_KEY",
}


def test_the_file_of_the_repository_is_the_starter() -> None:
    assert (ROOT / "providers.yaml").read_text(encoding="utf-8") == starter()


def test_it_starts_in_an_empty_environment() -> None:
    path = ROOT / "providers.yaml"
    config = load(path, environ={}, validate_options=registry.validate)
    assert config == Config(discover=True, source=str(path))


def test_its_first_line_points_editors_at_the_schema() -> None:
    assert starter().startswith("# yaml-language-server: $schema=./providers.schema.json\n")


def _uncommented() -> str:
    """Return the file with every setting in force; a line of prose has one space after its #."""
    settings = [line for line in starter().split("\n") if not re.match(r"#( \S|$)", line)]
    return "\n".join(line.removeprefix("#") for line in settings)


@pytest.fixture
def everything() -> Config:
    return loads(
        _uncommented(),
        filename="starter.yaml",
        environ=dict.fromkeys(KEYS, "sk-1"),
        validate_options=registry.validate,
    )


def test_everything_in_its_comments_can_be_used(everything: Config) -> None:
    assert set(everything.providers) == {"openai", "claude", "gemini", "groq", "refinery", "ollama", "elsewhere"}
    assert set(everything.models) == {"smart", "quick", "gpt-4o*"}
    assert everything.notes == ()


def test_the_values_in_its_comments_are_the_defaults(everything: Config) -> None:
    usual = Config()
    for section in ("server", "defaults", "keys", "stores", "resume", "batch", "ui"):
        assert getattr(everything, section) == getattr(usual, section), section


def test_every_section_and_key_is_in_it() -> None:
    text = _uncommented()
    for section in ("server", "defaults", "keys", "stores", "resume", "batch", "ui"):
        assert re.search(rf"^{section}:", text, re.MULTILINE)
        for key in set(getattr(Config(), section).fields()) - {"data_dir"}:
            assert re.search(rf"\b{key}:", text), key
