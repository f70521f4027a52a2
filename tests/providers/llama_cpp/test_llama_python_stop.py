"""Chats that are not wanted any more: wherever they are, they end at once, and the next answer is right."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llms.providers.llama_cpp.child.llama_python.model import ChatModel
from tests.providers.llama_cpp.python_chats import MODELS, ask, body, loaded

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
pytestmark = pytest.mark.local

LONG = "Tell me a long story about a fox. " * 24
ENDLESS: dict[str, Any] = {"logit_bias": [[token, -100] for token in (0, 2, 6)]}


@pytest.fixture(scope="module", params=MODELS, ids=["demo", "large"][: len(MODELS)])
def model(request: pytest.FixtureRequest) -> Iterator[ChatModel]:
    # One batch for all of a prompt, so that only breaking it off can end it early.
    model = loaded(request.param, n_batch=1024)
    yield model
    model.close()


def fresh(path: str, question: str) -> str:
    """Return what a model says that never said anything else."""
    model = loaded(path, n_batch=1024)
    try:
        return ask(model, question, max_tokens=24, seed=1).text
    finally:
        model.close()


def reading(piece: bytes) -> bool:
    return b"prompt_progress" in piece


def saying(piece: bytes) -> bool:
    return b'"content":"' in piece and b'"role"' not in piece


def stopping(model: ChatModel, when: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """Return what stops a chat, as another thread does, once it sees such a piece; and never says so itself."""

    def look(piece: bytes) -> bool:
        if when(piece):
            model.stop(1)
        return False

    return look


def test_a_stop_while_the_prompt_is_read(model: ChatModel, request: pytest.FixtureRequest) -> None:
    path = request.node.callspec.params["model"]
    expected = fresh(path, LONG)
    for question in (LONG, "Other. " + LONG, LONG):
        stopped = ask(model, question, until=stopping(model, reading))
        assert all("prompt_progress" in piece for piece in stopped.pieces), "not one token was chosen"
    answer = ask(model, LONG, max_tokens=24)
    assert answer.text == expected
    assert answer.usage["prompt_tokens_details"]["cached_tokens"] == 0, "what was broken off is not trusted"


def test_what_was_read_before_a_stop_is_kept() -> None:
    model = loaded(n_batch=64)
    expected = ask(model, LONG, max_tokens=24).text
    ask(model, "Hello", max_tokens=1)

    def third(piece: bytes) -> bool:
        return b'"processed":128' in piece

    ask(model, LONG, until=stopping(model, third), seed=1)
    answer = ask(model, LONG, max_tokens=24)
    assert (answer.text, answer.usage["prompt_tokens_details"]["cached_tokens"]) == (expected, 128)
    model.close()


def test_a_stop_while_it_writes(model: ChatModel, request: pytest.FixtureRequest) -> None:
    path = request.node.callspec.params["model"]
    expected = fresh(path, "Hello")
    stopped = ask(model, "Hello", until=stopping(model, saying), **ENDLESS)
    assert sum(saying_of(piece) for piece in stopped.pieces) == 1
    assert not any(choice["finish_reason"] for piece in stopped.pieces for choice in piece["choices"])
    assert ask(model, "Hello", max_tokens=24, seed=1).text == expected


def saying_of(piece: dict[str, object]) -> bool:
    choices = piece["choices"]
    assert isinstance(choices, list)
    return bool(choices and choices[0]["delta"].get("content"))


@pytest.mark.parametrize("when", [reading, saying])
def test_a_client_that_wants_no_more_gets_no_more(model: ChatModel, when: Callable[[bytes], bool]) -> None:
    stopped = ask(model, "Hello again", until=when, **ENDLESS)
    assert sum("prompt_progress" not in piece for piece in stopped.pieces) == (0 if when is reading else 2)
    assert ask(model, "Hello", max_tokens=3).usage["completion_tokens"] == 3


def test_a_stop_from_another_thread_takes_effect_at_once(model: ChatModel) -> None:
    began, ended, said = threading.Event(), threading.Event(), []

    def note(piece: bytes) -> bool:
        said.append(piece)
        began.set()
        return False

    def chat() -> None:
        # All that the window holds: the longest that a model can be at it.
        model.chat(1, body("fox " * 450, **ENDLESS), note)
        ended.set()

    worker = threading.Thread(target=chat)
    worker.start()
    assert began.wait(30)
    model.stop(1)
    assert ended.wait(30)
    assert not any(b'"finish_reason":"' in piece for piece in said)
    worker.join()
    assert ask(model, "Hello", max_tokens=3).usage["completion_tokens"] == 3


def test_a_stop_of_nobody_and_one_that_comes_late_change_nothing(model: ChatModel) -> None:
    model.stop(77)
    first = ask(model, "Hello", max_tokens=8, seed=1)
    model.stop(1)
    assert ask(model, "Hello", max_tokens=8, seed=1).text == first.text


def test_one_of_two_chats_is_stopped_and_the_other_is_not() -> None:
    model = loaded(slots=2)
    expected = ask(model, "Who are you?").text
    started = threading.Event()
    stopped: list[bytes] = []

    def endless() -> None:
        def note(piece: bytes) -> bool:
            stopped.append(piece)
            started.set()
            return False

        while not any(saying(piece) for piece in stopped):
            model.chat(5, body("Hello", **ENDLESS), note)

    worker = threading.Thread(target=endless)
    worker.start()
    assert started.wait(30)
    model.stop(5)
    assert ask(model, "Who are you?", number=6).text == expected
    worker.join(30)
    assert not worker.is_alive()
    model.close()
