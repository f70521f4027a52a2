"""Take turns with a person who types."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from llms.cli.output import complain
from llms.cli.turn import Conversation

_COMMAND: Final = re.compile(r"/([a-z]*)(?:\s+(.*))?", re.DOTALL)
_PROMPT: Final = "> "
_HELP: Final = (
    "/model NAME asks another model, /system TEXT says what it is told first, /clear forgets what was said, "
    "/exit leaves. Ctrl-C stops an answer. A \\ at the end of a line goes on with the next."
)


def talk(say: Callable[[str], object], conversation: Conversation, *, place: str) -> None:
    """Read lines and say them until the person leaves; lines that start with a slash are commands."""
    with suppress(ImportError):
        # input() edits its line and remembers the ones before as soon as this module is there.
        importlib.import_module("readline")
    complain(f"{conversation.model} ({place}). /help lists the commands; Ctrl-D leaves.")
    while True:
        try:
            text = _read()
            if text is None or text in ("/exit", "/quit"):
                return
            command = _COMMAND.fullmatch(text)
            if command is not None:
                complain(_obey(command[1], (command[2] or "").strip(), conversation))
            elif text:
                say(text)
        except KeyboardInterrupt:
            complain("")
            complain("(stopped; Ctrl-D leaves)")


def _read() -> str | None:
    """Return one message; None at the end."""
    lines: list[str] = []
    while True:
        try:
            line = _line(_PROMPT if not lines else "  ")
        except EOFError:
            complain("")
            return None
        if not line.endswith("\\"):
            return "\n".join([*lines, line]).strip()
        lines.append(line[:-1])


def _line(prompt: str) -> str:
    """Read a line; the prompt must not stand in an answer that goes to a file."""
    if sys.stdout.isatty():
        return input(prompt)
    print(prompt, end="", file=sys.stderr, flush=True)
    return input()


def _obey(command: str, argument: str, conversation: Conversation) -> str:
    """Do what a command says; return what to tell the person."""
    if command == "clear":
        conversation.clear()
        return "Forgotten."
    if command == "model":
        conversation.model = argument or conversation.model
        return f"The model is {conversation.model}."
    if command == "system":
        conversation.system = argument or conversation.system
        return f"The model is told first: {conversation.system}" if conversation.system else "It is told nothing first."
    return _HELP if command == "help" else f"There is no /{command}. {_HELP}"
