"""Thinking models: what stands between <think> and </think> at the beginning of an answer is not the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from llms.providers.llama_cpp.child.answer.delta import Delta, Said, Thought

TAGS: Final = {"<think>": "</think>", "[THINK]": "[/THINK]", "<seed:think>": "</seed:think>"}
"""How models begin a thought, and how they end it."""


def open_tag(prompt: str) -> str | None:
    """Return the tag with which a prompt ends, so that the answer begins within it; None if it does not."""
    end = prompt.rstrip()
    return next((tag for tag in TAGS if end.endswith(tag)), None)


def closing(tag: str) -> str:
    """Return what ends the thinking that `tag` began."""
    return TAGS[tag]


@final
class Reasoning:
    """Split an answer into thoughts and what is said; only the whitespace around the tags is lost."""

    __slots__ = ("_close", "_held", "_step")

    def __init__(self, tag: str | None = None) -> None:
        """Take the tag that is open already."""
        self._held = ""
        self._close = TAGS[tag] if tag else ""
        self._step: Callable[[list[Delta]], bool] = self._begin_thought if tag else self._look
        """Takes what it can from what is held; tells whether the next step shall look at the rest."""

    def feed(self, text: str) -> list[Delta]:
        """Return what is decided by now."""
        if self._step == self._say:
            return [Said(text)] if text else []
        self._held += text
        found: list[Delta] = []
        while self._step(found):
            pass
        return found

    def end(self) -> list[Delta]:
        """Return what was held back."""
        held, self._held = self._held, ""
        if self._step == self._look:
            return [Said(held)] if held else []
        held = held.rstrip()
        return [Thought(held)] if held and self._step != self._pause else []

    def _look(self, found: list[Delta]) -> bool:
        """Decide whether the answer begins with a tag."""
        start = self._held.lstrip()
        tag = next((tag for tag in TAGS if start.startswith(tag)), None)
        if tag is not None:
            self._held, self._close, self._step = start[len(tag) :], TAGS[tag], self._begin_thought
            return True
        if any(tag.startswith(start) for tag in TAGS):
            return False
        self._step = self._say
        return True

    def _begin_thought(self, found: list[Delta]) -> bool:
        """Leave out the whitespace before a thought."""
        self._held = self._held.lstrip()
        if self._held:
            self._step = self._think
        return bool(self._held)

    def _think(self, found: list[Delta]) -> bool:
        """Let a thought through up to its end; whitespace and half a tag wait for what follows."""
        thought, tag, rest = self._held.partition(self._close)
        if tag:
            self._held, self._step = rest, self._pause
        cut = len(thought.rstrip() if tag else thought[: len(thought) - self._undecided(thought)].rstrip())
        if not tag:
            self._held = thought[cut:]
        if cut:
            found.append(Thought(thought[:cut]))
        return bool(tag)

    def _undecided(self, thought: str) -> int:
        longest = min(len(self._close) - 1, len(thought))
        return next((n for n in range(longest, 0, -1) if self._close.startswith(thought[-n:])), 0)

    def _pause(self, found: list[Delta]) -> bool:
        """Leave out the whitespace after a thought."""
        self._held = self._held.lstrip()
        if self._held:
            self._step = self._say
        return bool(self._held)

    def _say(self, found: list[Delta]) -> bool:
        if self._held:
            found.append(Said(self._held))
        self._held = ""
        return False
