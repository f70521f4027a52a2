"""Run `llms chat`: find who answers, then ask once or take turns."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, final

from llms.cli.attachments import Unusable, content
from llms.cli.output import complain, fail
from llms.cli.paper import paper
from llms.cli.talk import talk
from llms.cli.turn import Content, Conversation, Turn, take_turn
from llms.cli.whom import Answering, Wish, whom
from llms.protocol.errors import LlmsError
from llms.routing.chat_models import first_chat_model

_DEMO: Final = "local/demo"
_LARGEST_PIPED: Final = 4 * 2**20
_CUT: Final[Mapping[str, str]] = {
    "length": "The answer was cut: it reached the model's limit of tokens.",
    "content_filter": "The answer was stopped by a content filter.",
}


@final
@dataclass(frozen=True, slots=True)
class Question:
    """What the command line asks."""

    words: str
    images: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was asked yet."""
        return not (self.words.strip() or self.images or self.files)

    def content(self) -> Content:
        """Return the content of the message; exit where a file cannot go along."""
        try:
            return content(self.words, images=self.images, files=self.files)
        except Unusable as problem:
            fail(str(problem))


@final
@dataclass(frozen=True, slots=True)
class Speaker:
    """Takes turns on one event loop, which rests while a person types."""

    runner: asyncio.Runner
    answering: Answering
    conversation: Conversation
    stream: bool
    stats: bool

    def say(self, content: Content) -> bool:
        """Ask, show the answer, remember both; tell whether it came to its end. Ctrl-C stops the upstream."""
        turn = Turn()
        body = self.conversation.request(content, stream=self.stream)
        try:
            with paper() as sheet:
                self.runner.run(take_turn(self.answering, body, sheet, turn))
        except LlmsError as error:
            complain(error.message)
            return False
        finally:
            if turn.text:
                self.conversation.keep(content, turn.text)
        cut = _CUT.get(turn.finish_reason or "")
        if cut:
            complain(cut)
        elif not turn.text:
            complain(f"The model said nothing (finish reason: {turn.finish_reason or 'none'}).")
        if self.stats:
            complain(turn.summary())
        return True


def ask(question: Question, *, wish: Wish, model: str | None, system: str | None, stream: bool, stats: bool) -> None:
    """Ask once where there is a question, otherwise interactively; exit with 1 when there was no answer."""
    question = Question("\n\n".join(filter(None, (question.words, _piped()))), question.images, question.files)
    is_asked = not question.is_empty
    if not is_asked and not _types():
        fail("There is nothing to ask. Give a prompt, or pipe one: echo hello | llms chat")
    message = question.content() if is_asked else ""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            answering, chosen = runner.run(_open(stack, wish, model))
            conversation = Conversation(model=chosen, system=system)
            speaker = Speaker(runner, answering, conversation, stream, stats)
            if not is_asked:
                talk(speaker.say, conversation, place=answering.place)
            elif not speaker.say(message):
                raise SystemExit(1)
        finally:
            runner.run(stack.aclose())


def _types() -> bool:
    """Tell whether a person types at the other end of stdin."""
    return sys.stdin is not None and sys.stdin.isatty()


def _piped() -> str:
    """Return what is piped in; empty where a person types."""
    if sys.stdin is None or _types():
        return ""
    raw = sys.stdin.buffer.read(_LARGEST_PIPED + 1)
    if len(raw) > _LARGEST_PIPED:
        fail(f"More than {_LARGEST_PIPED // 2**20} MiB were piped in. Send less.")
    try:
        return raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        fail("What was piped in is not text in UTF-8. Convert it first, or use --image for a picture.")


async def _open(stack: AsyncExitStack, wish: Wish, model: str | None) -> tuple[Answering, str]:
    """Return who answers and the model to ask; exit where nobody does."""
    answering = await stack.enter_async_context(await whom(wish, os.environ))
    if model:
        return answering, model
    try:
        return answering, first_chat_model(await answering.models()) or _DEMO
    except LlmsError as error:
        fail(error.message, code=1)
