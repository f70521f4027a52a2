"""Every documented way to stream comes out the same on both paths, in every framing and however it is cut."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from llms.testing import messages, responses
from llms.testing.transcripts import TRANSCRIPTS
from tests.server.differential.answers import unnamed
from tests.server.differential.asking import body, message, one, post, response
from tests.server.differential.conftest import Play
from tests.server.differential.pair import Outcome
from tests.server.differential.scripted import Script
from tests.server.differential.steps import How, cut
from tests.server.differential.telling import FRAMINGS, Framing, answer

NATIVE = {
    "messages": (
        b"/v1/messages",
        message(),
        messages.start()
        + messages.PING
        + messages.block(0, {"type": "text", "text": ""}, *(messages.delta("text", word) for word in "aé🎈b"))
        + messages.message_event()
        + messages.STOP,
    ),
    "messages that think and call": (
        b"/v1/messages",
        message(),
        messages.start()
        + messages.block(0, {"type": "thinking", "thinking": ""}, messages.delta("thinking", "Hm"))
        + messages.block(
            1,
            {"type": "tool_use", "id": "t1", "name": "look", "input": {}},
            messages.delta("input_json", '{"at":'),
            messages.delta("input_json", '"Ulm"}'),
        )
        + messages.message_event("tool_use")
        + messages.STOP,
    ),
    "responses": (b"/v1/responses", response(), b"".join(responses.events("Grüße aus Köln 🎈"))),
}


def ways(raw: bytes) -> Sequence[tuple[str, Script]]:
    """Return all ways in which an upstream plays a stream, by name."""
    events = [part + b"\n\n" for part in raw.removesuffix(b"\n\n").split(b"\n\n")]

    def played(*pieces: bytes, framing: Framing = "chunked") -> Script:
        return (*answer(*pieces, framing=framing), *([How.CLOSE] if framing == "close" else []))

    whole = b"".join(answer(raw))
    return [
        *((f"event by event, {framing}", played(*events, framing=framing)) for framing in FRAMINGS),
        *((f"at once, {framing}", (b"".join(answer(raw, framing=framing)), How.CLOSE)) for framing in FRAMINGS),
        ("half events", played(*(piece for event in events for piece in cut(event, len(event) // 2)))),
        ("two events a read", played(*(b"".join(events[at : at + 2]) for at in range(0, len(events), 2)))),
        ("cut inside the frames", cut(whole, *range(0, len(whole), 37))),
        ("byte by byte", cut(whole, *range(min(len(whole), 700)))),
    ]


def assert_same(fast: Outcome, slow: Outcome) -> None:
    """Check that both paths did the same, and that a stream came of it."""
    assert fast == slow
    [got] = fast.clients
    assert [answer.first for answer in got.answers] == [b"HTTP/1.1 200 OK"] * 2
    assert all(answer.whole for answer in got.answers)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_chat_completions(name: str, play: Play) -> None:
    for way, script in ways(TRANSCRIPTS[name].raw):
        for more in ({}, {"stream_options": {"include_usage": True}}) if way.startswith("event") else ({},):
            assert_same(*play(one(post(body(**more)), script)))


@pytest.mark.parametrize("name", NATIVE)
def test_in_the_dialect_of_the_client(name: str, play: Play) -> None:
    path, asked, raw = NATIVE[name]
    for _, script in ways(raw):
        fast, slow = play(one(post(asked, path=path), script))
        assert_same(fast, slow)
        assert fast.clients[0].answers[0].body == unnamed(raw)


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_told_in_another_dialect(name: str, play: Play) -> None:
    for _, script in ways(TRANSCRIPTS[name].raw):
        assert_same(*play(one(post(message("plain"), path=b"/v1/messages"), script)))


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_told_with_its_reasoning(name: str, play: Play) -> None:
    asked = post(message("plain", thinking={"type": "enabled", "budget_tokens": 1024}), path=b"/v1/messages")
    for _, script in ways(TRANSCRIPTS[name].raw)[:1]:
        assert_same(*play(one(asked, script)))


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_asked_for_as_a_whole(name: str, play: Play) -> None:
    for _, script in ways(TRANSCRIPTS[name].raw)[:6]:
        assert_same_or_refused(*play(one(post(body(stream=False)), script)))
        assert_same_or_refused(*play(one(post(message("plain", stream=False), path=b"/v1/messages"), script)))


def assert_same_or_refused(fast: Outcome, slow: Outcome) -> None:
    """Check that both paths did the same, whatever that was."""
    assert fast == slow
    assert len(fast.clients[0].answers) == 2
