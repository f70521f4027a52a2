"""Answers that have to be of some form, with the real engine: JSON, tool calls, thoughts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.llama_python.model import ChatModel
from tests.providers.llama_cpp.child.schemas import ROOTS
from tests.providers.llama_cpp.demo_variants import TEMPLATE, variant
from tests.providers.llama_cpp.python_chats import MODELS, Answer, ask, loaded

pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
pytestmark = pytest.mark.local

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 12}, "days": {"enum": [1, 2, 3]}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
NOTHING: dict[str, Any] = {"type": "function", "function": {"name": 'do nothing "now"'}}
WILD: dict[str, Any] = {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0}


@pytest.fixture(scope="module")
def demo() -> Iterator[ChatModel]:
    model = loaded()
    yield model
    model.close()


@pytest.fixture(scope="module", params=MODELS, ids=["demo", "large"][: len(MODELS)])
def model(request: pytest.FixtureRequest) -> Iterator[ChatModel]:
    model = loaded(request.param)
    yield model
    model.close()


def schema(wanted: Any, **more: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": wanted, **more}}}


def validate(answer: Answer, wanted: Any) -> bool:
    """Tell whether an answer is complete, and if so hold it to its schema."""
    assert answer.reason in ("stop", "length")
    if answer.reason == "length":
        return False
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(wanted, format_checker=checker).validate(json.loads(answer.text))
    return True


@pytest.mark.parametrize("seed", range(10))
def test_a_json_object_is_one(demo: ChatModel, seed: int) -> None:
    answer = ask(demo, "ping", seed=seed, max_tokens=300, **{**WILD, "response_format": {"type": "json_object"}})
    if answer.reason == "stop":
        assert isinstance(json.loads(answer.text), dict)
    assert answer.text.startswith("{")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(wanted=ROOTS, seed=st.integers(0, 1000))
def test_every_complete_answer_is_valid(model: ChatModel, wanted: Any, seed: int) -> None:
    validate(ask(model, "Hello", seed=seed, max_tokens=100, **{**WILD, **schema(wanted)}), wanted)
    validate(ask(model, "Hello", max_tokens=100, **schema(wanted)), wanted)


def test_most_answers_to_usual_schemas_are_complete(demo: ChatModel) -> None:
    wanted = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 120}},
        "required": ["name", "age"],
    }
    assert all(validate(ask(demo, "Hello", seed=seed, max_tokens=150, **schema(wanted)), wanted) for seed in range(10))


def test_a_schema_that_no_grammar_can_be_made_of(demo: ChatModel) -> None:
    with pytest.raises(ValueError, match="no grammar can be made of this JSON schema: it refers to 'http"):
        ask(demo, "ping", **schema({"$ref": "http://example.com"}))
    with pytest.raises(ValueError, match="JSON schema: it is malformed, repeats too much or refers to itself"):
        ask(demo, "ping", **schema({"anyOf": [{"$ref": "#"}, {"type": "null"}]}))
    with pytest.raises(ValueError, match="JSON schema: something in it is of the wrong kind"):
        ask(demo, "ping", **schema({"type": "object", "properties": ["a"]}))
    with pytest.raises(ValueError, match="JSON schema: `multipleOf` cannot be held to"):
        ask(demo, "ping", **schema({"type": "integer", "multipleOf": 3}, strict=True))
    assert ask(demo, "ping", max_tokens=20, **schema({"type": "integer", "multipleOf": 3})).text.lstrip("-").isdigit()
    assert ask(demo, "ping").text == "pong"


def test_a_grammar_of_the_clients_own(demo: ChatModel) -> None:
    assert ask(demo, "ping", grammar='root ::= "never " ("mind" | "you")').text in ("never mind", "never you")
    with pytest.raises(ValueError, match="`grammar` cannot be read as GBNF"):
        ask(demo, "ping", grammar="root ::= nothing")
    with pytest.raises(ValueError, match="`grammar` cannot be read as GBNF"):
        ask(demo, "ping", grammar='root ::= root "a" | "b"')


def test_a_grammar_that_leaves_no_token_is_an_error_and_not_an_end(demo: ChatModel) -> None:
    with pytest.raises(RuntimeError, match="allows none of the model's tokens"):
        ask(demo, "ping", grammar="root ::= <[900]> <[99999]>")
    assert ask(demo, "ping").text == "pong"


def test_a_grammar_that_leaves_ever_more_open_is_given_up(demo: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llms.providers.llama_cpp.child.llama_python.writer._MOST_EFFORT", 0.1)
    always_a = [[token, 100] for token in first_tokens(demo, "aaa")]
    with pytest.raises(ValueError, match="it leaves so much open that it takes too long"):
        ask(demo, "ping", grammar='root ::= "a" root "b" | "a" root "c" | "x"', logit_bias=always_a)
    assert ask(demo, "ping").text == "pong"


@pytest.mark.parametrize("seed", range(6))
def test_a_call_that_must_be_made(demo: ChatModel, seed: int) -> None:
    answer = ask(
        demo, "Weather?", seed=seed, max_tokens=150, **{**WILD, "tools": [WEATHER, NOTHING], "tool_choice": "required"}
    )
    [call] = answer.message["tool_calls"]
    assert call["type"] == "function"
    assert len(call["id"]) == 9
    assert not answer.message.get("content")
    if answer.reason == "length":
        return
    assert answer.reason == "tool_calls"
    arguments = json.loads(call["function"]["arguments"])
    if call["function"]["name"] == "weather":
        jsonschema.validate(arguments, WEATHER["function"]["parameters"])
    else:
        assert call["function"]["name"] == NOTHING["function"]["name"]
        assert isinstance(arguments, dict)


def test_the_deltas_of_a_call(demo: ChatModel) -> None:
    answer = ask(demo, "Weather?", tools=[WEATHER], tool_choice="required")
    deltas = [choice["delta"] for piece in answer.pieces for choice in piece["choices"]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    [first, *rest] = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert (first["index"], first["type"], first["function"]) == (0, "function", {"name": "weather", "arguments": ""})
    assert len(rest) > 3, "the arguments stream"
    assert all(call.keys() == {"index", "function"} and call["function"].keys() == {"arguments"} for call in rest)


def says(text: str) -> dict[str, Any]:
    """Return a grammar that has the model say just this."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return {"grammar": f'root ::= "{escaped}"'}


CALLS = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo", "days": 1}}\n</tool_call>'


@pytest.mark.parametrize("choice", ["auto", None])
def test_calls_that_may_be_made(demo: ChatModel, choice: str | None) -> None:
    tools: dict[str, Any] = {"tools": [WEATHER], **({"tool_choice": choice} if choice else {})}
    answer = ask(demo, "Weather?", **tools, **says(f"Let me see. {CALLS}\n{CALLS}"))
    assert answer.text == "Let me see."
    assert answer.reason == "tool_calls"
    calls = answer.message["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [{"city": "Oslo", "days": 1}] * 2
    assert len({call["id"] for call in calls}) == 2
    one = ask(demo, "Weather?", parallel_tool_calls=False, **tools, **says(f"{CALLS}\n{CALLS}"))
    assert (len(one.message["tool_calls"]), one.reason) == (1, "tool_calls")


def test_calls_that_are_not_wanted_or_not_whole_are_text(demo: ChatModel) -> None:
    assert ask(demo, "Weather?", tools=[WEATHER], tool_choice="none", **says(CALLS)).text == CALLS
    assert ask(demo, "Weather?", **says(CALLS)).text == CALLS
    cut = ask(demo, "Weather?", tools=[WEATHER], max_tokens=12, **says(CALLS))
    assert cut.reason == "length"
    assert CALLS.startswith(cut.text)
    assert len(cut.text) > 12


def test_an_answer_of_some_form_may_still_be_a_call(demo: ChatModel) -> None:
    wanted = {"type": "object", "properties": {"city": {"const": "Oslo"}}, "required": ["city"]}
    plain = ask(demo, "Weather?", tools=[WEATHER], **schema(wanted))
    assert json.loads(plain.text) == {"city": "Oslo"}
    lead = [[token, 100] for token in first_tokens(demo, "<tool_call>")]
    called = ask(demo, "Weather?", tools=[WEATHER], logit_bias=lead[:1], max_tokens=200, **schema(wanted))
    assert called.message["tool_calls"][0]["function"]["name"] == "weather"


def first_tokens(model: ChatModel, text: str) -> list[int]:
    return [entry["id"] for entry in ask(model, "ping", logprobs=True, **says(text)).logprobs]


def test_the_templates_own_way_with_tools_is_used(tmp_path: Path) -> None:
    template = "{% if tools %}{{ tools | length }} tools{% endif %}<|user|>{{ messages[0].content }}<|bot|>"
    model = loaded(str(variant(tmp_path, {TEMPLATE: template})))
    assert model.facts["tools"] == "template"
    without, told = ask(model, "ping"), ask(model, "ping", tools=[WEATHER])
    assert without.usage["prompt_tokens"] < told.usage["prompt_tokens"] < without.usage["prompt_tokens"] + 20
    model.close()


def test_a_template_for_tools_is_used_with_tools_only(tmp_path: Path) -> None:
    template = "{{ tools | length }} tools<|user|>{{ messages[0].content }}<|bot|>"
    model = loaded(str(variant(tmp_path, {f"{TEMPLATE}.tool_use": template})))
    assert (model.facts["chat_template"], model.facts["tools"]) == ("own", "template")
    assert (ask(model, "ping").text, ask(model, "ping").usage["prompt_tokens"]) == ("pong", 5)
    assert 5 < ask(model, "ping", tools=[WEATHER]).usage["prompt_tokens"] < 20
    model.close()


def test_thoughts_are_told_apart(demo: ChatModel, tmp_path: Path) -> None:
    answer = ask(demo, "ping", **says("<think>\nWell …\n</think>\n\npong"))
    assert (answer.message["reasoning_content"], answer.text) == ("Well …", "pong")
    template = "<|user|>{{ messages[0].content }}<|bot|><think>\n"
    model = loaded(str(variant(tmp_path, {TEMPLATE: template})))
    thought = ask(model, "ping", max_tokens=30)
    assert thought.message["reasoning_content"]
    assert not thought.message.get("content")
    formed = ask(model, "ping", max_tokens=60, **schema({"const": 1}))
    assert formed.text == "1"
    assert "reasoning_content" not in formed.message
    model.close()


def test_stop_strings_end_thoughts_and_calls_too(demo: ChatModel) -> None:
    thought = ask(demo, "ping", stop=["pon"], **says("<think>a pong</think>b"))
    assert (thought.message["reasoning_content"], thought.reason) == ("a", "stop")
    call = ask(demo, "ping", tools=[WEATHER], stop=["</tool_call>"], **says(CALLS))
    assert (call.reason, len(call.message["tool_calls"])) == ("tool_calls", 1)
