"""`llms chat` with a person at a terminal: turns, commands, Ctrl-C, markdown."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from llms.testing.fake_upstream import MODEL, FakeUpstream, error, reasoning_stream, reply, stall, text_stream
from tests.cli.conftest import Home

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x1b\x07]*(?:\x1b\\|\x07))")


class Terminal:
    """Both ends of a terminal with a command in it."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.raw = ""
        self._master = master
        self._seen = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self.raw += data.decode(errors="replace")
        self._news.set()

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    async def until(self, words: str) -> str:
        """Wait for words; return what came since those of the last call, these included, without colours."""
        try:
            async with asyncio.timeout(30):
                while True:
                    screen = _ESCAPES.sub("", self.raw)
                    found = screen.find(words, self._seen)
                    if found >= 0:
                        start, self._seen = self._seen, found + len(words)
                        return screen[start : self._seen]
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{words!r} did not come: {self.raw[-2000:]!r}") from None

    async def end(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)


Open = Callable[..., AbstractAsyncContextManager[Terminal]]


@pytest.fixture
def terminal(home: Home) -> Open:
    """Run `llms chat` in a terminal of 80 columns."""

    @asynccontextmanager
    async def run(upstream: FakeUpstream, *args: str, term: str = "xterm") -> AsyncIterator[Terminal]:
        home.write(f'providers:\n  fake: {{type: openai_compatible, base_url: "{upstream.url}", retries: 0}}\n')
        master, slave = os.openpty()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "llms", "chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", *args),
            cwd=home.path,
            env=home.environ(TERM=term, COLUMNS="80", LINES="24"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        opened = Terminal(master, process)
        try:
            yield opened
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            opened.close()

    return run


async def test_turns_are_remembered_until_they_are_cleared(terminal: Open) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(reply("First answer"), reply("Second answer"), reply("Third answer"))
        async with terminal(upstream, "-s", "Be brief.") as person:
            assert f"fake/{MODEL} (in process)" in await person.until("> ")
            for said, answer in (("one", "First answer"), ("two", "Second answer")):
                person.type(f"{said}\n")
                await person.until(answer)
                await person.until("> ")
            person.type("/clear\n")
            await person.until("Forgotten.")
            person.type("three\n")
            await person.until("Third answer")
            await person.until("> ")
            person.type("\x04")
            assert await person.end() == 0

    asked = [[message["content"] for message in chat.json["messages"]] for chat in upstream.chats]
    assert asked == [
        ["Be brief.", "one"],
        ["Be brief.", "one", "First answer", "two"],
        ["Be brief.", "three"],
    ]


async def test_ctrl_c_stops_the_answer_and_not_the_chat(terminal: Open) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("half an answer").first(3).then(stall()), reply("A whole one"))
        async with terminal(upstream) as person:
            await person.until("> ")
            person.type("go\n")
            await person.until("half an")
            person.process.send_signal(signal.SIGINT)
            await upstream.chats[0].gone()
            await person.until("(stopped; Ctrl-D leaves)")
            await person.until("> ")
            person.type("again\n")
            await person.until("A whole one")
            await person.until("> ")
            person.type("/exit\n")
            assert await person.end() == 0

    said = [message["content"].strip() for message in upstream.chats[1].json["messages"]]
    assert said == ["go", "half an", "again"]


async def test_a_refused_question_is_not_remembered(terminal: Open) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(error(400, message="too many cooks"), reply("Better"))
        async with terminal(upstream) as person:
            await person.until("> ")
            person.type("bad\n")
            await person.until("fake: too many cooks")
            await person.until("> ")
            person.type("good\n")
            await person.until("Better")

    assert [message["content"] for message in upstream.chats[1].json["messages"]] == ["good"]


async def test_commands(terminal: Open) -> None:
    async with FakeUpstream() as upstream, terminal(upstream) as person:
        await person.until("> ")
        for line, words in (
            ("/help", "/model NAME asks another model"),
            ("/nonsense", "There is no /nonsense. /model NAME"),
            ("/model", f"The model is fake/{MODEL}."),
            ("/model fake/other", "The model is fake/other."),
            ("/system", "It is told nothing first."),
            ("/system Speak Latin.", "The model is told first: Speak Latin."),
        ):
            person.type(f"{line}\n")
            await person.until(words)
            await person.until("> ")
        person.type("/usr/bin is what?\n")
        await person.until("Hello world")
        await person.until("> ")
        person.type("two\\\n")
        await person.until("  ")
        person.type("lines\n")
        await person.until("Hello world")

    first, second = (chat.json for chat in upstream.chats)
    assert first["model"] == "other"
    assert [message["content"] for message in first["messages"]] == ["Speak Latin.", "/usr/bin is what?"]
    assert second["messages"][-1]["content"] == "two\nlines"


async def test_markdown_is_drawn(terminal: Open) -> None:
    text = "# Title\n\nSome **bold** words and a [link](http://example.invalid/x).\n\n- item\n\n```\ncode here\n```\n"
    async with FakeUpstream() as upstream:
        upstream.script(text_stream(text, chunks=40))
        async with terminal(upstream, "--stats", "draw") as person:
            screen = await person.until("tokens/s")
            assert await person.end() == 0

    assert "**" not in screen.split("code here")[-1]
    assert "\x1b[1mbold\x1b[0m" in person.raw
    assert "link (http://example.invalid/x)" in screen
    assert " • item" in screen


async def test_thoughts_are_shown_apart(terminal: Open) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(reasoning_stream("Let me think.", "It is so."))
        async with terminal(upstream, "--stats", "why") as person:
            await person.until("tokens")

    assert "\x1b[2;3mLet me think.\x1b[0m" in person.raw
    assert "\x1b[2;3mIt is so." not in person.raw


@pytest.mark.parametrize("term", ["xterm", "dumb"])
async def test_an_answer_cannot_command_the_terminal(terminal: Open, term: str) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("safe\x1b]0;title\x07 \x1b[31mred\x9b2J end"))
        async with terminal(upstream, "--stats", "hello", term=term) as person:
            await person.until("tokens")

    for harm in ("\x1b]0;", "\x1b[31m", "\x9b", "\x07"):
        assert harm not in person.raw
    assert "end" in person.raw


async def test_a_long_answer_stays_whole_on_the_screen(terminal: Open) -> None:
    text = "\n\n".join(f"Paragraph number {count}." for count in range(60))
    async with FakeUpstream() as upstream:
        upstream.script(text_stream(text))
        async with terminal(upstream, "--stats", "much") as person:
            screen = await person.until("tokens/s")

    final = [line.strip() for line in screen.splitlines()]
    for count in range(60):
        assert f"Paragraph number {count}." in final
