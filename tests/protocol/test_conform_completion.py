"""Whole answers in OpenAI's form."""

import pytest

from llms.protocol.whole import conform_completion
from tests.protocol.streams import HEAD, USAGE

GOOD = {
    **HEAD,
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": USAGE,
    "x_top": 1,
}


def conformed(item):
    return conform_completion(item, model="asked", fallback_id="ours", created=1_700_000_000)


def test_a_good_one_is_the_same_object():
    assert conformed(GOOD) is GOOD


def test_everything_missing_is_added():
    made = conformed({"choices": [{"message": {"content": [{"type": "text", "text": "hi"}]}}]})

    assert (made["id"], made["object"], made["created"], made["model"]) == (
        "ours",
        "chat.completion",
        1_700_000_000,
        "asked",
    )
    assert made["choices"] == [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]


@pytest.mark.parametrize("reason", ["stop", None, "tool_calls", "end_turn"])
def test_tool_calls_are_whole(reason):
    message = {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g"}}]}

    made = conformed({**GOOD, "choices": [{"message": message, "finish_reason": reason}]})

    (choice,) = made["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    calls = choice["message"]["tool_calls"]
    assert [held["function"] for held in calls] == [
        {"name": "f", "arguments": '{"a":1}'},
        {"name": "g", "arguments": "{}"},
    ]
    assert len({held["id"] for held in calls}) == 2
    assert {held["type"] for held in calls} == {"function"}


def test_a_float_second_becomes_an_int():
    assert type(conformed({**GOOD, "created": 1_760_000_000.0})["created"]) is int


@pytest.mark.parametrize("choices", [None, {}, "x", [None], [{"message": "hi"}], [{"index": True}]])
def test_nonsense_never_raises(choices):
    made = conformed({"choices": choices})

    assert all(choice["message"]["role"] == "assistant" for choice in made["choices"])


@pytest.mark.parametrize(("said", "read"), [("a\ud83d\ude00\ude00", "a😀�"), ("a\ud83d", "a�")])
def test_halves_of_characters_are_replaced_or_joined(said, read):
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '"\ude00"'}}]
    message = {"role": "assistant", "content": said, "tool_calls": calls}

    made = conformed({**GOOD, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    assert made["choices"][0]["message"]["content"] == read
    assert made["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '"�"'
    assert calls[0]["function"]["arguments"] == '"\ude00"', "what the upstream sent is not ours to change"
