"""Commands, flags, recipes and extras that the documents name exist."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import click
import pytest

from llms.cli.main import VERBS, verbs
from tests.docs.markdown import PAGES, ROOT, blocks, codes, prose, rows

MAKEFILE = (ROOT / "Makefile").read_text()
RECIPES = set(re.findall(r"^([a-z]+):", MAKEFILE, re.M))


@dataclass(frozen=True, slots=True)
class Command:
    """A command line as a document writes it: the words after `llms`."""

    page: str
    words: tuple[str, ...]


def _lines() -> Iterator[tuple[str, str]]:
    """Yield every line of the documents that may be a command, with its page."""
    for page in PAGES:
        name = str(page.relative_to(ROOT))
        for block in blocks(page):
            if block.language in ("sh", ""):
                yield from ((name, line.partition("  #")[0]) for line in block.text.splitlines())
        yield from ((name, code) for code in codes(prose(page)))


def _commands() -> Iterator[Command]:
    for page, line in _lines():
        for part in re.split(r"&&|\|", line):
            words = part.split()
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                del words[0]
            if words and re.fullmatch(r"(\S*/)?llms", words[0]):
                yield Command(page, tuple(words[1:]))


COMMANDS = list(dict.fromkeys(_commands()))


def _resolve(words: tuple[str, ...]) -> click.Command:
    """Return the command that words lead to; AssertionError when there is none."""
    command: click.Command = verbs
    context = click.Context(verbs, info_name="llms")
    for word in words:
        if word.startswith("-") or not isinstance(command, click.Group):
            break
        found = command.get_command(context, word)
        assert found is not None, f"there is no {word!r}"
        command = found
        context = click.Context(command, parent=context, info_name=word)
    return command


def _flags(command: click.Command) -> set[str]:
    context = click.Context(command, help_option_names=["-h", "--help"])
    return {flag for parameter in command.get_params(context) for flag in parameter.opts + parameter.secondary_opts}


def test_the_documents_name_commands() -> None:
    assert {command.words[0] for command in COMMANDS if command.words} >= set(VERBS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.words) or "llms")
def test_a_command_and_its_flags_exist(command: Command) -> None:
    flags = {word.partition("=")[0] for word in command.words if word.startswith("-") and word != "-"}

    assert flags <= _flags(_resolve(command.words)), command.page


def test_the_readme_lists_every_verb_and_no_other() -> None:
    cells = [row.cells[0] for row in rows("README.md", first="command")]

    assert [code.split()[1] for cell in cells for code in codes(cell) if code.startswith("llms ")] == list(VERBS)


def test_the_readme_lists_every_flag_of_serve() -> None:
    row = next(row for row in rows("README.md", first="command") if row.key == "llms serve")

    assert {code for code in codes(row.cells[1]) if code.startswith("--")} == _flags(_resolve(("serve",))) - {
        "-h",
        "--help",
    }


def test_the_readme_lists_every_verb_of_config() -> None:
    row = next(row for row in rows("README.md", first="command") if row.key.startswith("llms config"))
    config = _resolve(("config",))
    assert isinstance(config, click.Group)

    assert {code.split()[-1] for code in codes(row.cells[0])} == set(config.list_commands(click.Context(config)))


def test_flags_that_come_from_elsewhere_lead_to_ours() -> None:
    """The right column of docs/coming-from.md names flags of `llms serve` without the command."""
    known = {flag for verb in VERBS for flag in _flags(_resolve((verb,)))}
    for row in rows("docs/coming-from.md", first="there"):
        assert {word for code in codes(row.cells[1]) for word in code.split() if word.startswith("--")} <= known


def test_the_overview_names_every_verb() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "llms", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )

    for verb in VERBS:
        assert re.search(rf"^  {verb} ", shown.stdout, re.M)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    command = _resolve((verb,))
    text = command.get_help(click.Context(command, info_name=verb))

    assert f"llms {verb}" in text


def test_recipes_that_are_named_exist() -> None:
    named = {word for _, line in _lines() for word in re.findall(r"^make ([a-z]+)", line.strip())}

    assert named >= {"serve", "test", "bench"}
    assert named <= RECIPES


def test_the_contributing_page_lists_every_recipe() -> None:
    described = set(re.findall(r"^([a-z]+):.*?##", MAKEFILE, re.M)) - {"help"}
    listed = {row.key.split()[1] for row in rows("CONTRIBUTING.md", first="recipe")}

    assert described <= listed
    assert listed <= RECIPES


def test_extras_that_are_named_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        name
        for _, line in _lines()
        for found in re.findall(r"'(?:\.|llms)\[([a-z,-]+)\]'", line)
        for name in found.split(",")
    }

    assert "local" in named
    assert named <= extras.keys()
