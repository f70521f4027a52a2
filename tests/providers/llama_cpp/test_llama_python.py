"""The library llama-cpp-python with the demo model: real weights, real tokens."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llms.protocol.errors import ContextLengthExceeded
from llms.providers.llama_cpp.child.llama_python.model import ChatModel, load
from llms.providers.llama_cpp.load import Unloadable
from tests.providers.llama_cpp.demo_variants import DEMO, TEMPLATE, variant
from tests.providers.llama_cpp.python_chats import ask, body, loaded, wanted

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
pytestmark = pytest.mark.local

QUESTION = "How do I add a provider?"


@pytest.fixture(scope="module")
def demo() -> Iterator[ChatModel]:
    model = loaded()
    yield model
    model.close()


def test_a_known_question(demo: ChatModel) -> None:
    answer = ask(demo, QUESTION)
    assert answer.text.startswith("Open providers.yaml and add a block")
    assert answer.reason == "stop"


def test_the_shape_of_a_stream(demo: ChatModel) -> None:
    pieces = [piece for piece in ask(demo, "ping").pieces if "prompt_progress" not in piece]
    assert len({(piece["id"], piece["created"], piece["model"], piece["object"]) for piece in pieces}) == 1
    assert pieces[0]["model"] == "demo"
    assert pieces[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [piece["choices"][0]["finish_reason"] for piece in pieces[:-1]] == [*[None] * (len(pieces) - 2), "stop"]
    assert all("role" not in piece["choices"][0]["delta"] for piece in pieces[1:-1])
    assert pieces[-2]["choices"][0]["delta"] == {}
    assert pieces[-1]["choices"] == []
    assert "".join(piece["choices"][0]["delta"].get("content", "") for piece in pieces[:-1]) == "pong"


def tokens_of(text: str, *, special: bool) -> int:
    """Count tokens with the library's own tokenizer."""
    import llama_cpp

    model = llama_cpp.Llama(str(DEMO), vocab_only=True, verbose=False)
    try:
        return len(model.tokenize(text.encode(), add_bos=False, special=special))
    finally:
        model.close()


def test_usage_is_what_the_tokenizer_counts(demo: ChatModel) -> None:
    answer = ask(demo, QUESTION)
    prompt = tokens_of(f"<s><|user|>{QUESTION.lower()}<|bot|>", special=True)
    completion = tokens_of(answer.text, special=False) + 1
    assert answer.usage["prompt_tokens"] == prompt
    assert answer.usage["completion_tokens"] == completion, "with the token that ends the answer"
    assert answer.usage["total_tokens"] == prompt + completion


def test_a_prompt_that_begins_the_same_way_is_not_read_again(demo: ChatModel) -> None:
    ask(demo, "Thanks!")
    again = ask(demo, "Thanks!").usage
    assert again["prompt_tokens_details"]["cached_tokens"] == again["prompt_tokens"] - 1
    other = ask(demo, "ping").usage
    assert 0 < other["prompt_tokens_details"]["cached_tokens"] < other["prompt_tokens"] - 1


def test_progress_is_told_for_each_batch(demo: ChatModel) -> None:
    answer = ask(demo, "word " * 300)
    told = [piece["prompt_progress"] for piece in answer.pieces if "prompt_progress" in piece]
    assert len(told) >= 300 / 64
    assert [item["processed"] for item in told] == sorted(item["processed"] for item in told)
    assert {item["total"] for item in told} == {answer.usage["prompt_tokens"]}


@pytest.mark.parametrize("fields", [{"max_tokens": 3}, {"max_tokens": 1}])
def test_an_answer_may_be_cut(demo: ChatModel, fields: dict[str, Any]) -> None:
    answer = ask(demo, QUESTION, **fields)
    assert answer.reason == "length"
    assert answer.usage["completion_tokens"] == fields["max_tokens"]
    assert ask(demo, QUESTION).text.startswith(answer.text)


def test_the_window_ends_an_answer(demo: ChatModel) -> None:
    endless: dict[str, Any] = {"logit_bias": [[6, -100]]}
    answer = ask(demo, "hi " * 450, **endless)
    assert answer.reason == "length"
    assert answer.usage["prompt_tokens"] < answer.usage["total_tokens"] == 1024


def test_a_prompt_beyond_the_window_is_refused(demo: ChatModel) -> None:
    with pytest.raises(ContextLengthExceeded, match="maximum context length is 1024 tokens") as refused:
        ask(demo, "hi " * 3000)
    assert refused.value.param == "messages"
    assert ask(demo, "ping").text == "pong"


@pytest.mark.parametrize(("stop", "end"), [("yaml", "Open providers."), ("s.ya", "Open provider"), (" and", None)])
def test_stop_strings_end_it_also_across_tokens(demo: ChatModel, stop: str, end: str | None) -> None:
    whole = ask(demo, QUESTION).text
    answer = ask(demo, QUESTION, stop=["never said", stop])
    assert answer.text == (whole.partition(stop)[0] if end is None else end)
    assert answer.reason == "stop"


def test_a_seed_gives_the_same_answer_again_whatever_came_between(demo: ChatModel) -> None:
    wild: dict[str, Any] = {"temperature": 2.5, "top_k": 0, "top_p": 1, "min_p": 0, "max_tokens": 60}
    long = "please " * 150 + "tell me a joke"
    first = ask(demo, long, seed=5, **wild).text
    for between in (long, "ping", "please " * 100, long):
        ask(demo, between, max_tokens=20)
        assert ask(demo, long, seed=5, **wild).text == first
    assert ask(demo, long, seed=6, **wild).text != first
    assert ask(demo, long, **wild).text != ask(demo, long, **wild).text


def test_logprobs(demo: ChatModel) -> None:
    answer = ask(demo, "Thanks!", logprobs=True, top_logprobs=5)
    assert "".join(entry["token"] for entry in answer.logprobs) == answer.text
    assert bytes(byte for entry in answer.logprobs for byte in entry["bytes"]).decode() == answer.text
    for entry in answer.logprobs:
        likely = [other["logprob"] for other in entry["top_logprobs"]]
        assert len(likely) == 5
        assert likely == sorted(likely, reverse=True)
        assert entry["logprob"] == likely[0], "the likeliest, at temperature 0"
        assert math.exp(entry["logprob"]) <= 1
        assert sum(map(math.exp, likely)) <= 1 + 1e-9
    assert ask(demo, "ping", logprobs=True).logprobs[0]["top_logprobs"] == []
    assert not any("logprobs" in choice for piece in ask(demo, "ping").pieces for choice in piece["choices"])


def test_all_tokens_together_are_certain(demo: ChatModel) -> None:
    first = ask(demo, "ping", logprobs=True, top_logprobs=1023, max_tokens=1).logprobs[0]
    assert sum(math.exp(other["logprob"]) for other in first["top_logprobs"]) == pytest.approx(1, abs=1e-3)


def test_logprobs_of_what_a_stop_string_cut_are_not_told(demo: ChatModel) -> None:
    answer = ask(demo, QUESTION, logprobs=True, stop=["yaml"])
    told = "".join(entry["token"] for entry in answer.logprobs)
    assert told.startswith(answer.text)
    assert "yaml" not in told


def test_biases_and_penalties_change_what_is_said(demo: ChatModel) -> None:
    token = ask(demo, "ping", logprobs=True).logprobs[0]["id"]
    assert not ask(demo, "ping", logit_bias=[[token, -100], [10**8, 5]]).text.startswith("p")
    repeated = ask(demo, "count to five, please").text
    assert ask(demo, "count to five, please", repeat_penalty=5.0).text != repeated
    assert ask(demo, "count to five, please", repeat_penalty=5.0, repeat_last_n=0).text == repeated
    babble: dict[str, Any] = {"seed": 1, "temperature": 1.5, "max_tokens": 60, "logit_bias": [[6, -100]]}
    assert ask(demo, "Hello", **babble).text != ask(demo, "Hello", frequency_penalty=2, **babble).text
    assert ask(demo, "Hello", **babble).text != ask(demo, "Hello", presence_penalty=2, **babble).text


def test_the_files_recommended_temperature_counts(demo: ChatModel) -> None:
    plain = json.loads(body("Thanks!"))
    del plain["temperature"]
    pieces: list[bytes] = []

    def take(piece: bytes) -> bool:
        pieces.append(piece)
        return False

    for _ in range(3):
        demo.chat(1, json.dumps(plain).encode(), take)
    choices = [choice for piece in pieces for choice in json.loads(piece)["choices"]]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == 3 * ask(demo, "Thanks!").text


def test_facts(demo: ChatModel) -> None:
    facts = dict(demo.facts)
    json.dumps(facts)
    assert facts.items() >= {
        ("library", "llama-cpp-python"),
        *(("architecture", "llama"), ("n_ctx", 1024), ("gpu_layers", 0), ("chat_template", "own")),
        *(("tools", "instruction"), ("license", "mit"), ("n_params", 885_888)),
    }
    assert facts["version"].startswith("0.")


def test_a_window_is_never_larger_than_what_the_model_learned() -> None:
    model = loaded(n_ctx=100_000)
    assert model.facts["n_ctx"] == 1024
    model.close()


def test_chats_at_the_same_time_do_not_mix() -> None:
    questions = {"ping": "pong", "Thanks!": "You are welcome!", "tell me a joke": "Why did", "Hello": "Hello!"}
    model = loaded(slots=3, n_threads=2)
    expected = {question: ask(model, question).text for question in questions}
    wrong: list[str] = []

    def chat(number: int) -> None:
        for turn in range(30):
            question = list(questions)[(number + turn) % len(questions)]
            text = ask(model, question, number=number).text
            if text != expected[question]:
                wrong.append(f"{question}: {text}")

    workers = [threading.Thread(target=chat, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert not any(worker.is_alive() for worker in workers)
    model.close()
    assert wrong == []
    assert all(text.startswith(questions[question]) for question, text in expected.items())


def test_a_model_without_a_template_is_spoken_to_in_chatml(tmp_path: Path) -> None:
    model = loaded(str(variant(tmp_path, {TEMPLATE: None})))
    assert model.facts["chat_template"] == "chatml, as the file has none"
    assert ask(model, "ping", max_tokens=5).usage["prompt_tokens"] > 5
    model.close()


def test_a_model_with_a_broken_template_says_so_and_chats(tmp_path: Path) -> None:
    model = loaded(str(variant(tmp_path, {TEMPLATE: "{% if %}"})))
    assert "chatml, as its chat template cannot be read" in model.facts["chat_template"]
    assert ask(model, "ping", max_tokens=5).reason in ("stop", "length")
    model.close()


def test_a_template_that_refuses_is_the_requests_fault(tmp_path: Path) -> None:
    model = loaded(str(variant(tmp_path, {TEMPLATE: "{{ raise_exception('only poems') }}"})))
    with pytest.raises(ValueError, match="only poems"):
        ask(model, "ping")
    model.close()


def test_the_token_that_begins_a_prompt_comes_once(tmp_path: Path) -> None:
    with_bos = "{{ bos_token }}<|user|>{{ messages[0].content }}<|bot|>"
    counts = []
    for place, template in enumerate((with_bos, with_bos.removeprefix("{{ bos_token }}"))):
        folder = tmp_path / str(place)
        folder.mkdir()
        model = loaded(str(variant(folder, {TEMPLATE: template})))
        answer = ask(model, "ping")
        counts.append((answer.usage["prompt_tokens"], answer.text))
        model.close()
    assert counts == [(5, "pong"), (5, "pong")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "No such file"), (b"", "no GGUF file"), (b"hello", "no GGUF file"), (b"GGUF", "cannot load")],
)
def test_a_file_that_cannot_be_loaded(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Unloadable, match=reason):
        load(wanted(str(path)))


def test_a_damaged_file_and_an_unknown_kind_say_what_llama_cpp_says(tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    path.write_bytes(DEMO.read_bytes()[:500_000])
    with pytest.raises(Unloadable, match="not within the file bounds"):
        load(wanted(str(path)))
    with pytest.raises(Unloadable, match="unknown model architecture: 'strange'"):
        load(wanted(str(variant(tmp_path, {"general.architecture": "strange"}))))


def test_nothing_is_printed_and_the_library_is_only_imported_to_load() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from llms.providers.llama_cpp.child.llama_python.model import load\n"
        "assert not {'llama_cpp', 'numpy', 'jinja2'} & set(sys.modules)\n"
        "from llms.providers.llama_cpp.load import EMBEDDED, Load\n"
        "model = load(Load(path=EMBEDDED, alias='m', n_ctx=512, slots=1, n_threads=1, n_batch=64))\n"
        'model.chat(1, b\'{"messages": [{"role": "user", "content": "ping"}]}\', lambda piece: False)\n'
        "model.close()\n"
    )
    root = Path(__file__).parents[3]
    found = subprocess.run(
        [sys.executable, "-c", code, str(root)], capture_output=True, check=True, env={**os.environ}, timeout=60
    )
    assert (found.stdout, found.stderr) == (b"", b"")
