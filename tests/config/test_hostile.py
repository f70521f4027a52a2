"""Hostile and random texts: a Config or a ConfigError, soon, and never anything else."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.config import compose
from llms.config.diff import diff, masked
from llms.config.load import ConfigError, ValidateOptions, loads
from llms.config.model import Config

Refuse = Callable[..., ConfigError]

EXAMPLE = Path(__file__).with_name("example.yaml").read_text(encoding="utf-8")
PIECES = (
    *(
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        ",",
        "- ",
        "? ",
        "\n",
        "\n  ",
        "\t",
        "&a ",
        "*a",
        "<<: ",
        "!!str ",
        "!x ",
        "| ",
        "> ",
    ),
    *(
        '"',
        "'",
        "#",
        "%",
        "@",
        "`",
        "~",
        "null",
        "no",
        "12:30",
        "010",
        "1e999",
        "2026-01-01",
        "${",
        "${A}",
        "${A:-b}",
        "$$",
    ),
    *(
        "---\n",
        "...\n",
        "\\",
        "*",
        "providers",
        "models",
        "targets",
        "a/b",
        "server",
        "port",
        "keys",
        "static",
        "0",
        "-1",
    ),
    *("\x85", "\u2028", "\ufeff", "é", "🎈", "\0", "\ud800", " " * 40, "[" * 40, "x" * 200),
)


def _laughs(levels: int) -> str:
    rows = ['a0: &a0 ["lol", "lol"]']
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(rows)


HOSTILE = {
    "billion laughs": (_laughs(20), "has more than 50000 values, write less, with fewer aliases"),
    "billion laughs in mappings": (
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{l: *a{n - 1}, r: *a{n - 1}}}\n" for n in range(1, 25)),
        "has more than 50000 values",
    ),
    "deep list": ("[" * 100_000, "is nested more than 32 levels deep"),
    "deep block": ("- " * 100_000, "is nested more than 32 levels deep"),
    "deep mapping": ("{a: " * 50_000, "is nested more than 32 levels deep"),
    "deep keys": ("? " * 50_000, "is nested more than 32 levels deep"),
    "deep aliases": (
        "a0: &a0 x\n" + "".join(f"a{n}: &a{n} {'[' * 20}*a{n - 1}{']' * 20}\n" for n in range(1, 2000)),
        "is nested more than 32 levels deep",
    ),
    "many values": ("server: [" + "1," * 200_000 + "]", "has more than 50000 values"),
    "many unknown keys": ("server: {" + ",".join(f"k{n}: 1" for n in range(20_000)) + "}", "unknown key"),
    "many surprises": ("server: [" + "no," * 40_000 + "]", "an unquoted no"),
    "many unknown targets": (
        "providers: {" + ",".join(f"p{n}: {{type: openai}}" for n in range(3000)) + "}\n"
        "models: {m: {targets: [" + ",".join(f"q{n}/x" for n in range(15_000)) + "]}}",
        "no provider is named",
    ),
    "many secrets": (
        "providers: {"
        + ",".join(f"p{n}: {{type: openai, api_key: secret-{n:09}, limits: 3}}" for n in range(5000))
        + "}",
        "must be a mapping",
    ),
    "long key": ("k" * 900_000 + ": 1", 'a ":" is not expected here'),
    "long value": ("server: {port: " + "k" * 900_000 + "}", "must be a whole number"),
    "many variables": ('server: {host: "' + "${A:-" * 100_000 + '"}', "this is not a variable"),
    "many addresses": ('servers: "' + "://" * 200_000 + '"', "unknown key"),
    "many pairs": ('"' + "key: " * 150_000, "a quoted text is not closed"),
    "code": ("!!python/object/apply:os.system ['true']", "the YAML tag !!python/object/apply:os.system is refused"),
    "more code": ("server: !!python/name:os.system x", "the YAML tag !!python/name:os.system is refused"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_attack_is_refused_soon(name: str, refuse: Refuse) -> None:
    text, said = HOSTILE[name]
    started = time.process_time()
    error = refuse(text)
    report = str(error)
    assert time.process_time() - started < 5
    assert said in report
    assert len(report) < 60_000


@given(st.text())
def test_any_text_is_a_config_or_a_config_error(text: str) -> None:
    _load(text)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@settings(max_examples=300)
def test_any_pieces_of_yaml_are_a_config_or_a_config_error(text: str) -> None:
    _load(text)


@given(st.integers(0, 2**32), st.integers(1, 4))
@settings(max_examples=200)
def test_any_damage_to_a_right_file_is_a_config_or_a_config_error(seed: int, damages: int) -> None:
    chance = random.Random(seed)
    text = EXAMPLE
    for _ in range(damages):
        start = chance.randrange(len(text))
        text = text[:start] + chance.choice(PIECES) + text[start + chance.choice((0, 0, 1, 5, 30)) :]
    _load(text)


@given(st.text(st.characters(blacklist_characters="\0"), max_size=20), st.text(max_size=20))
def test_any_environment_is_a_config_or_a_config_error(value: str, default: str) -> None:
    _load(EXAMPLE + f'\n"x": "${{A:-{default}}}"', {"A": value, "OPENAI_API_KEY": value})
    _load('server: {host: "${A}", port: "${A}", drain: "${A}"}\ndiscover: "${A}"\n', {"A": value})


@pytest.mark.parametrize("name", ["billion laughs", "deep list", "code", "many pairs"])
def test_attacks_are_refused_without_the_c_parser_too(
    name: str, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compose, "_LOADER", yaml.SafeLoader)
    text, said = HOSTILE[name]
    assert said in str(refuse(text if len(text) < 10_000 else text[:10_000]))


@pytest.mark.parametrize(
    "text",
    [
        "a: ${B}",
        "server: {host: ${B}}",
        "a:\n\tb: 1",
        "a: {b: 1",
        'a: "x',
        "a:\n  b: 1\n c: 2",
        "a: [*]",
        "a: b: c",
        "a: @b",
    ],
)
def test_both_parsers_tell_the_same(text: str, validate: ValidateOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for loader in (compose._LOADER, yaml.SafeLoader):
        monkeypatch.setattr(compose, "_LOADER", loader)
        with pytest.raises(ConfigError) as caught:
            loads(text, filename="f", environ={}, validate_options=validate)
        told.append([(problem.line, problem.message) for problem in caught.value.problems])
    assert told[0] == told[1]


def _load(text: str, environ: dict[str, str] | None = None) -> None:
    outcome: Config | ConfigError
    try:
        outcome = loads(text, filename="f", environ=environ or {}, validate_options=lambda kind, options: [])
    except ConfigError as error:
        outcome = error
    if isinstance(outcome, ConfigError):
        assert str(outcome).startswith("f:")
        assert all(problem.message for problem in outcome.problems)
    else:
        assert masked(outcome)
        assert diff(outcome, outcome) == []
