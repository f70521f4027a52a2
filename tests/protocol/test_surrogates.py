"""No half of a character reaches a client."""

import json

import pytest

from llms.testing.plain_client import text_of
from tests.protocol.streams import ROLE, call, chunk_of, conform, named, one, run, told


def test_two_halves_in_two_events_become_one_character():
    seen = run(one({"content": "a\ud83d"}), one({"content": "\ude00b"}), one({}, "stop"))

    assert [item["choices"][0]["delta"].get("content") for item in seen] == ["a", "😀b", None]


def test_a_half_in_the_middle_of_a_clean_stream_is_held():
    rules = conform()

    seen = run(one(ROLE), one({"content": "\ud83d"}), one({"content": "\ude00"}), one({"content": "c"}), of=rules)

    assert text_of(seen) == "😀c"
    clean = chunk_of(one({"content": "d"}))
    assert rules.apply(clean) is clean


@pytest.mark.parametrize("field", ["content", "reasoning_content", "reasoning", "refusal"])
def test_fields_are_held_apart(field):
    seen = run(one({field: "\ud83d"}), one({"other": "x"}), one({field: "\ude00"}), one({}, "stop"))

    assert text_of(seen, field) == "😀"


def test_choices_are_held_apart():
    seen = run(
        one({"content": "\ud83d"}),
        one({"content": "\ud83d"}, index=1),
        one({"content": "\ude00"}),
        one({"content": "\ude01"}, index=1),
    )

    assert (text_of(seen), text_of(seen, index=1)) == ("😀", "😁")


def test_arguments_of_calls_are_joined():
    seen = run(
        told(call(id="a", type="function", function={"name": "f", "arguments": ""})),
        told(call(function={"arguments": '"\ud83d'})),
        told(call(function={"arguments": '\ude00"'})),
        one({}, "tool_calls"),
    )

    assert named(seen) == [("f", '"😀"')]


@pytest.mark.parametrize(
    ("texts_sent", "read"),
    [
        (["\ud83d", "x"], "�x"),
        (["\ude00"], "�"),
        (["a\ud83d"], "a�"),
        (["\ud83d", "\ud83d", "\ude00"], "�😀"),
        (["\ud83d\ude00"], "😀"),
    ],
)
def test_a_half_that_stays_alone_is_replaced(texts_sent, read):
    seen = run(one(ROLE), *(one({"content": text}) for text in texts_sent), one({}, "stop"))

    assert text_of(seen) == read


def test_whatever_is_sent_can_be_encoded():
    for item in run(one({"content": "\ud83d", "x_other": "\ud83d"}), one({}, "stop")):
        json.dumps(item)


def test_a_half_in_arguments_that_stays_alone_is_replaced():
    seen = run(
        told(call(id="a", type="function", function={"name": "f", "arguments": ""})),
        told(call(function={"arguments": '"\ud83d'})),
        told(call(function={"arguments": 'x"'})),
        one({}, "tool_calls"),
    )

    assert named(seen) == [("f", '"�x"')]


def test_the_end_of_one_choice_leaves_the_halves_of_another():
    seen = run(
        one({"content": "a"}),
        one({"content": "\ud83d"}, index=1),
        one({}, "stop"),
        one({"content": "\ude00"}, index=1),
        one({}, "stop", index=1),
    )

    assert (text_of(seen), text_of(seen, index=1)) == ("a", "😀")
