"""`llms chat`, one-shot: in process and against a server, streamed and whole, with files, in pipes."""

from __future__ import annotations

import asyncio
import base64
import signal
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from llms.testing.fake_upstream import (
    MODEL,
    Answer,
    FakeUpstream,
    answer,
    body,
    cut,
    error,
    event,
    pause,
    reasoning_stream,
    reply,
    stall,
    text_stream,
)
from tests.cli.conftest import ECHO, Home, Run, Serve, ended

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def relay(upstream: FakeUpstream, *, more: str = "") -> str:
    """Return a configuration whose one provider is a fake upstream."""
    return f'providers:\n  fake: {{type: openai_compatible, base_url: "{upstream.url}", retries: 0{more}}}\n'


def content_of(upstream: FakeUpstream) -> Any:
    """Return what the last message of the last request said."""
    return upstream.chats[-1].json["messages"][-1]["content"]


async def test_in_process(home: Home, llms: Run) -> None:
    home.write(ECHO)
    ran = await llms("chat", "--config", "providers.yaml", "hello", "there")

    assert (ran.code, ran.out, ran.err) == (0, "hello there\n", "")


async def test_against_a_running_server(home: Home, serve: Serve, llms: Run) -> None:
    home.write(ECHO)
    async with serve() as server:
        for ran in (
            await llms("chat", "--url", server.url, "hello"),
            await llms("chat", "hello", LLMS_URL=f"{server.url}/v1/"),
            await llms("chat", "hello", OPENAI_BASE_URL=f"{server.url}/v1", OPENAI_API_KEY="none"),
            await llms("chat", "--url", server.url, "--no-stream", "hello"),
        ):
            assert (ran.code, ran.out, ran.err) == (0, "hello\n", "")
        assert (await server.stop()).err.count('"event":"request"') == 4


async def test_the_key_of_a_server(home: Home, serve: Serve, llms: Run) -> None:
    home.write(ECHO)
    async with serve(LLMS_API_KEY="sk-planted-0123456789") as server:
        refused = await llms("chat", "--url", server.url, "hello")
        assert (await llms("chat", "--url", server.url, "hello", LLMS_API_KEY="sk-planted-0123456789")).code == 0
        assert (await llms("chat", "--url", server.url, "--key", "sk-planted-0123456789", "hello")).out == "hello\n"

    assert refused.code == 1
    assert refused.err == f"{server.url}/v1 refused the key. Set LLMS_API_KEY, or pass one with --key.\n"


async def test_a_foreign_address_gets_no_key_of_the_environment(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        ran = await llms("chat", "--url", upstream.url, "-m", MODEL, "hello", OPENAI_API_KEY="sk-planted-0123")

        assert (ran.code, ran.out) == (0, "Hello world\n")
        assert "authorization" not in upstream.chats[-1].headers


async def test_pipes(home: Home, llms: Run) -> None:
    home.write(ECHO)
    alone = await llms("chat", "--config", "providers.yaml", stdin="grüße ✓\n".encode())
    added = await llms("chat", "--config", "providers.yaml", "Translate:", stdin=b"one\ntwo\n")

    assert (alone.code, alone.out) == (0, "grüße ✓\n")
    assert added.out == "Translate:\n\none\ntwo\n"


async def test_nothing_to_ask(home: Home, llms: Run) -> None:
    home.write(ECHO)
    ran = await llms("chat", "--config", "providers.yaml", stdin=b"\n")

    assert ran.code == 2
    assert ran.err == "There is nothing to ask. Give a prompt, or pipe one: echo hello | llms chat\n"


async def test_piped_bytes_that_are_no_text_are_refused(home: Home, llms: Run) -> None:
    home.write(ECHO)
    ran = await llms("chat", "--config", "providers.yaml", stdin=b"\xff\xfe\x00")

    assert ran.code == 2
    assert "is not text in UTF-8" in ran.err


async def test_a_long_answer_arrives_as_it_comes(home: Home) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("early bird").first(2).then(stall()))
        home.write(relay(upstream))
        process = await home.start("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", "hello")
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        async with asyncio.timeout(30):
            assert await process.stdout.readexactly(6) == b"early "

        process.send_signal(signal.SIGINT)
        await upstream.chats[0].gone()
        stopped = await ended(process)

    assert stopped.code == 130
    assert stopped.err.strip() == ""


async def test_system_model_and_usage_are_sent(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        home.write(relay(upstream))
        ran = await llms(
            *("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", "-s", "Be brief.", "--stats", "hello")
        )
        sent = upstream.chats[-1].json

    assert ran.out == "Hello world\n"
    assert sent["model"] == MODEL
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    assert ran.err.startswith(f"{MODEL} · 7 tokens in, 5 out · first token 0.")
    assert ran.err.endswith(" tokens/s\n")


async def test_files_go_along(home: Home, llms: Run) -> None:
    (home.path / "note.txt").write_text("Ω first line\n", encoding="utf-8")
    (home.path / "dot.png").write_bytes(PNG)
    async with FakeUpstream() as upstream:
        home.write(relay(upstream))
        where = ("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}")
        ran = await llms(*where, "--file", "note.txt", "--image", "dot.png", "What is this?")
        assert ran.code == 0
        assert content_of(upstream) == [
            {"type": "text", "text": "note.txt:\n\nΩ first line\n"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}},
            {"type": "text", "text": "What is this?"},
        ]


async def test_a_file_that_cannot_go_along(home: Home, llms: Run) -> None:
    home.write(ECHO)
    ran = await llms("chat", "--config", "providers.yaml", "--file", "gone", "hello")

    assert (ran.code, ran.out, ran.err) == (2, "", "gone cannot be read: No such file or directory.\n")


async def test_thoughts_stay_out_of_pipes(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(reasoning_stream("Let me see.", "It is so."))
        home.write(relay(upstream))
        ran = await llms("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", "why")

    assert ran.out == "It is so.\n"


async def test_the_default_model_is_a_configured_name(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.models(["text-embedding-3", "whisper-1", MODEL])
        named = f'models:\n  "x*": {{targets: ["fake/*"]}}\n  mine: {{targets: [fake/{MODEL}]}}\n'
        home.write(relay(upstream) + named)
        assert (await llms("chat", "--config", "providers.yaml", "hello")).code == 0
        assert upstream.chats[-1].json["model"] == MODEL


async def test_without_a_name_it_is_the_first_listed_that_chats(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.models(["text-embedding-3", "whisper-1", MODEL])
        home.write(relay(upstream))
        assert (await llms("chat", "--config", "providers.yaml", "hello")).code == 0
        assert upstream.chats[-1].json["model"] == MODEL


async def test_a_list_that_takes_its_time_counts(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        listed = body({"data": [{"id": MODEL}]})
        upstream.models(Answer((pause(0.5), *listed.steps), listed.framing))
        home.write(relay(upstream) + "  quick: {type: echo}\n")
        ran = await llms("chat", "--config", "providers.yaml", "hello")

    assert ran.out == "Hello world\n"


async def test_an_unknown_model_is_one_line_with_the_nearest(home: Home, llms: Run) -> None:
    home.write(ECHO)
    ran = await llms("chat", "--config", "providers.yaml", "-m", "a/onee", "hello")
    other = await llms("chat", "--config", "providers.yaml", "-m", "oen", "hello")

    assert ran.code == 0
    assert other.code == 1
    assert "Did you mean a/one" in other.err
    assert len(other.err.splitlines()) == 1


@pytest.mark.parametrize("mode", [(), ("--no-stream",)])
async def test_a_refusal_of_the_upstream_is_one_line(home: Home, llms: Run, mode: tuple[str, ...]) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(error(400, message="too many cooks"))
        home.write(relay(upstream))
        ran = await llms("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", *mode, "hello")

    assert (ran.code, ran.out, ran.err) == (1, "", "fake: too many cooks\n")


async def test_an_answer_that_breaks_off_is_said(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("Hello world").first(2).then(cut()))
        home.write(relay(upstream))
        ran = await llms("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", "hello")

    assert (ran.code, ran.out) == (1, "Hello \n")
    assert ran.err.startswith("fake: the upstream broke the connection")


async def test_an_answer_that_breaks_off_at_a_server_is_said(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("Hello world", done=False, finish=None, usage=False))
        url = upstream.url
        ran = await llms("chat", "--url", url, "-m", MODEL, "hello")

    assert (ran.code, ran.out) == (1, "Hello world\n")
    assert ran.err == f"{url}: the answer broke off\n"


async def test_an_answer_that_was_cut_is_said(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("Hello", finish="length"))
        home.write(relay(upstream))
        ran = await llms("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", "hello")

    assert (ran.code, ran.out) == (0, "Hello\n")
    assert ran.err == "The answer was cut: it reached the model's limit of tokens.\n"


async def test_an_empty_answer_is_said(home: Home, llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(reply(""))
        home.write(relay(upstream))
        ran = await llms("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", "hello")

    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "The model said nothing (finish reason: stop).\n"


async def test_a_server_that_is_not_there(llms: Run) -> None:
    async with FakeUpstream(refuses=True) as nobody:
        url = nobody.url
        ran = await llms("chat", "--url", url, "-m", "x", "hello")

    assert ran.code == 1
    assert ran.err == f"{url} cannot be reached (Connection refused). Start it with: llms serve\n"


async def test_an_address_that_is_none(llms: Run) -> None:
    ran = await llms("chat", "--url", "ftp://here", "hello")

    assert ran.code == 2
    assert "'ftp://here' is no address of a server" in ran.err


async def test_a_server_of_another_make_may_be_odd(llms: Run) -> None:
    odd = answer(
        event({"choices": None}),
        event({"choices": [None]}),
        event({"choices": [{"delta": None}]}),
        event({"choices": [{"delta": {"content": [{"type": "text", "text": "well "}]}}]}),
        event({"usage": {"prompt_tokens": "7"}, "choices": []}),
        event({"choices": [{"delta": {"content": "then"}, "finish_reason": "eos"}]}),
    )
    whole = body({"choices": [{"message": {"content": "well then"}}]})
    async with FakeUpstream() as upstream:
        upstream.script(odd, whole)
        streamed = await llms("chat", "--url", upstream.url, "-m", "x", "hello")
        at_once = await llms("chat", "--url", upstream.url, "-m", "x", "--no-stream", "hello")

    assert (streamed.code, streamed.out, streamed.err) == (0, "well then\n", "")
    assert (at_once.code, at_once.out) == (0, "well then\n")


async def test_a_page_instead_of_an_api(llms: Run) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(body("<html>welcome</html>"))
        ran = await llms("chat", "--url", upstream.url, "-m", "x", "hello")

    assert ran.code == 1
    assert "does not answer like OpenAI's API" in ran.err


async def test_a_broken_file_is_2(home: Home, llms: Run) -> None:
    home.write("providers: 1\n")
    ran = await llms("chat", "--config", "providers.yaml", "hello")

    assert ran.code == 2
    assert "providers.yaml:1:12: providers" in ran.err


async def test_usage_is_kept(home: Home, llms: Run) -> None:
    home.write(ECHO)
    assert (await llms("chat", "--config", "providers.yaml", "-m", "a/two", "hello")).code == 0
    with sqlite3.connect(Path(home.environ()["LLMS_DATA_DIR"]) / "usage.sqlite3") as database:
        rows = database.execute("SELECT route, provider, model, outcome FROM requests").fetchall()
    database.close()

    assert rows == [("cli", "a", "two", "ok")]


async def test_a_reader_that_leaves_stops_the_upstream(home: Home) -> None:
    async with FakeUpstream() as upstream:
        upstream.script(text_stream("word " * 400).paced(0.01))
        home.write(relay(upstream))
        process = await home.start("chat", "--config", "providers.yaml", "-m", f"fake/{MODEL}", "hello")
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        assert await process.stdout.readexactly(5) == b"word "
        process.stdout._transport.close()  # type: ignore[attr-defined]

        await upstream.chats[0].gone()
        assert process.stderr is not None
        assert await process.stderr.read() == b""
        assert await process.wait() == 1
