"""Which fields of a request reach the native library, and within which ranges."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.errors import InvalidRequest
from llms.providers.llama_cpp.request import library_body

ALLOWED = {
    *("messages", "temperature", "top_p", "min_p", "typical_p", "top_k", "repeat_penalty", "repeat_last_n"),
    *("presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "max_tokens", "seed", "stop"),
    *(
        "logit_bias",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "chat_template_kwargs",
        "grammar",
    ),
    *("stream", "stream_options", "return_progress"),
}
GRAMMAR = 'root ::= "yes" | "no"'
SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True}}
OURS = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}


def sent(**fields: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    found: dict[str, Any] = json.loads(library_body(body))
    return found


def test_a_plain_request_gets_only_what_we_need() -> None:
    assert sent() == {"messages": [{"role": "user", "content": "hi"}], **OURS}


def outcome(fields: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return what was sent, or the name of the refused field."""
    try:
        return sent(**fields), None
    except InvalidRequest as refused:
        return {}, refused.param or "unnamed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted(
    (ALLOWED - {"messages", "tools"}) | {"n", "n_predict", "n_discard", "id_slot", "grammar", "max_completion_tokens"}
)


@given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5))
def test_whatever_a_client_sends_only_allowed_fields_pass_or_one_is_named(fields: dict[str, Any]) -> None:
    found, param = outcome(fields)
    if param is not None:
        assert param.partition(".")[0] in fields
        return
    assert found.keys() <= ALLOWED
    assert found.items() >= OURS.items()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"temperature": 0.5, "top_k": -1}, {"temperature": 0.5, "top_k": -1}),
        ({"temperature": None, "stop": None, "seed": None, "n": 1}, {}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"max_tokens": 10**30}, {"max_tokens": 2**30}),
        ({"max_tokens": -1}, {}),
        ({"seed": -1}, {"seed": 2**32 - 1}),
        ({"seed": 2**40 + 5}, {"seed": 5}),
        ({"stop": "a"}, {"stop": ["a"]}),
        ({"stop": ["", "b"]}, {"stop": ["b"]}),
        ({"stop": []}, {}),
        ({"logit_bias": {"50": -100}}, {"logit_bias": [[50, -100]]}),
        ({"logit_bias": {}}, {}),
        ({"response_format": {"type": "text"}}, {"response_format": {"type": "text"}}),
        ({"response_format": {"type": "json_schema"}}, {"response_format": {"type": "json_object"}}),
        ({"tools": [], "tool_choice": "auto"}, {}),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}], "tool_choice": "required"}, {}),
        ({"chat_template_kwargs": {"enable_thinking": False}}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ({"grammar": ""}, {}),
        (
            {"grammar": GRAMMAR, "response_format": {"type": "text"}},
            {"grammar": GRAMMAR, "response_format": {"type": "text"}},
        ),
        ({"response_format": SCHEMA}, {"response_format": SCHEMA}),
    ],
)
def test_what_becomes_of_a_field(given: dict[str, Any], expected: dict[str, Any]) -> None:
    found = sent(**given)
    assert {key: found[key] for key in found.keys() - {"messages", *OURS}} == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"top_p": 1.01}, "top_p"),
        ({"top_k": 1.5}, "top_k"),
        ({"repeat_penalty": 0}, "repeat_penalty"),
        ({"repeat_last_n": -5}, "repeat_last_n"),
        ({"top_logprobs": 10**6}, "top_logprobs"),
        ({"logprobs": 1}, "logprobs"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "9"}, "max_completion_tokens"),
        ({"seed": 1.5}, "seed"),
        ({"n": 2}, "n"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": ["a" * 1001]}, "stop"),
        ({"stop": [3]}, "stop"),
        ({"logit_bias": {"hello": 1}}, "logit_bias"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": []}}},
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "strict": "yes"}}},
            "response_format.json_schema.strict",
        ),
        ({"grammar": 5}, "grammar"),
        ({"grammar": "root ::= " + " " * 2**15}, "grammar"),
        ({"grammar": "root ::= other"}, "grammar"),
        ({"grammar": GRAMMAR, "response_format": {"type": "json_object"}}, "grammar"),
        ({"grammar": GRAMMAR, "tools": [{"type": "function", "function": {"name": "f"}}]}, "grammar"),
        ({"chat_template_kwargs": {"messages": "x"}}, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"deep": {}}}, "chat_template_kwargs"),
    ],
)
def test_what_is_refused_and_under_which_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sent(**fields)
    assert refused.value.param == param


def test_messages_keep_what_templates_read() -> None:
    talk: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief.", "audio": {"id": "a"}},
        {
            "role": "assistant",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "4", "cache_control": {}}]},
    ]
    assert sent(messages=talk)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "tool_calls": talk[1]["tool_calls"], "content": ""},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "4"}]},
    ]


def test_half_a_character_becomes_a_question_mark() -> None:
    assert sent(messages=[{"role": "user", "content": "a\ud800b"}])["messages"][0]["content"] == "a?b"


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def test_a_chosen_function_becomes_the_only_one_and_required() -> None:
    choice = {"type": "function", "function": {"name": "b"}}
    found = sent(tools=[tool("a"), tool("b")], tool_choice=choice)
    assert (found["tools"], found["tool_choice"]) == ([tool("b")], "required")
    for wrong in (choice, {"type": "function", "function": "a"}, {"type": "function"}):
        with pytest.raises(InvalidRequest, match="the name of one of the tools"):
            sent(tools=[tool("a")], tool_choice=wrong)
