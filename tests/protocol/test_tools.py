"""Streamed tool calls are whole and told once, however an upstream cuts them."""

import pytest

from llms.protocol.conform import Conform
from llms.testing.plain_client import calls_of, check_stream
from tests.protocol.streams import ROLE, call, chunk_of, conform, named, one, run, told

FIRST = call(id="a", type="function", function={"name": "f", "arguments": ""})


def test_clean_fragments_pass_as_the_same_chunk():
    rules = conform()
    chunks = [
        chunk_of(one(ROLE)),
        chunk_of(told(FIRST)),
        chunk_of(told(call(function={"arguments": '{"x":'}))),
        chunk_of(told(call(function={"arguments": '"ü"}'}))),
        chunk_of(one({}, "tool_calls")),
    ]

    assert all(rules.apply(chunk) is chunk for chunk in chunks)


def test_repeated_ids_types_and_names_are_dropped():
    again = call(id="a", type="function", function={"name": "f", "arguments": "1"})

    seen = run(told(FIRST), told(again), told({**again, "id": None, "type": None}), one({}, "stop"))

    assert calls_of(seen) == [{"id": "a", "type": "function", "name": "f", "arguments": "11"}]
    assert seen[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_new_id_without_a_name_goes_on_with_its_index():
    seen = run(told(FIRST), *(told(call(id=f"r{i}", function={"arguments": str(i)})) for i in range(3)))

    assert calls_of(seen) == [{"id": "a", "type": "function", "name": "f", "arguments": "012"}]


def test_new_ids_at_index_0_are_new_calls():
    def whole(upstream_id, name):
        return told(call(id=upstream_id, type="function", function={"name": name, "arguments": "{}"}))

    seen = run(whole("a", "f"), whole("b", "f"), whole("c", "g"), told(call(function={"arguments": " "})))

    assert [(held["id"], held["name"]) for held in calls_of(seen)] == [("a", "f"), ("b", "f"), ("c", "g")]
    assert calls_of(seen)[2]["arguments"] == "{} "


def test_new_names_at_index_0_are_new_calls_without_ids():
    seen = run(
        told(call(function={"name": "f", "arguments": "{}"})), told(call(function={"name": "g", "arguments": "{}"}))
    )

    assert named(seen) == [("f", "{}"), ("g", "{}")]
    assert len({held["id"] for held in calls_of(seen)}) == 2


def test_a_missing_index_is_repaired_by_id():
    def bare(upstream_id, name, arguments):
        named_so = {"name": name} if name else {}
        return told({"id": upstream_id, "function": {**named_so, "arguments": arguments}})

    seen = run(bare("a", "f", ""), bare("b", "g", ""), bare("a", "", "1"), bare("b", "", "2"), bare("a", "", "3"))

    assert named(seen) == [("f", "13"), ("g", "2")]


def test_a_missing_index_is_repaired_by_position():
    seen = run(
        told({"function": {"name": "f"}}, {"function": {"name": "g"}}),
        told({"function": {"arguments": "1"}}, {"function": {"arguments": "2"}}),
        told({"id": "", "type": "", "function": {"arguments": "3"}}),
    )

    assert named(seen) == [("f", "1"), ("g", "23")]


def test_whole_calls_in_one_fragment_with_object_arguments():
    seen = run(told({"function": {"name": "f", "arguments": {"x": "ü"}}}), one({}, "stop"))

    assert named(seen) == [("f", '{"x":"ü"}')]
    first = seen[0]["choices"][0]["delta"]["tool_calls"][0]
    assert (first["index"], first["type"], bool(first["id"])) == (0, "function", True)


@pytest.mark.parametrize("arguments", ["", None])
def test_empty_arguments_end_as_an_empty_object(arguments):
    first = call(id="a", type="function", function={"name": "f", "arguments": arguments})
    other = call(1, id="b", type="function", function={"name": "g", "arguments": "1"})

    seen = run(told(first), told(other), one({}, "tool_calls"))

    assert named(seen) == [("f", "{}"), ("g", "1")]


def test_empty_arguments_of_a_call_that_comes_with_the_finish():
    seen = run(one(ROLE), one({"tool_calls": [FIRST]}, "stop"))

    assert named(seen) == [("f", "{}")]
    assert len(seen[1]["choices"][0]["delta"]["tool_calls"]) == 1


def test_a_name_that_comes_late_or_in_pieces_is_told_once():
    seen = run(
        told(call(id="a", type="function", function={"arguments": ""})),
        told(call(function={"name": "get_"})),
        told(call(function={"name": "it"})),
        told(call(function={"name": "get_it", "arguments": "{}"})),
    )

    assert named(seen) == [("get_it", "{}")]


def test_calls_of_another_kind_pass_untouched():
    custom = call(id="a", type="custom", custom={"name": "sql", "input": ""})

    seen = run(told(custom), told(call(custom={"input": "SELECT"})), one({}, "tool_calls"))

    fragments = [f for item in seen for f in item["choices"][0]["delta"].get("tool_calls") or ()]
    assert fragments == [custom, call(custom={"input": "SELECT"})]


def test_vendor_fields_of_a_call_stay():
    signed = {**FIRST, "extra_content": {"google": {"thought_signature": "s"}}}

    seen = run(told(signed), told(call(extra_content={"google": {"thought_signature": "t"}})))

    assert [item["choices"][0]["delta"]["tool_calls"][0]["extra_content"] for item in seen] == [
        {"google": {"thought_signature": "s"}},
        {"google": {"thought_signature": "t"}},
    ]


@pytest.mark.parametrize("index", [-1, True, "0", 0.0])
def test_an_index_that_is_none_is_replaced(index):
    seen = run(told({"index": index, "id": "a", "function": {"name": "f", "arguments": "1"}}), one({}, "stop"))

    check_stream(seen)
    assert named(seen) == [("f", "1")]
    assert seen[0]["choices"][0]["delta"]["tool_calls"][0]["index"] == 0


def test_an_id_is_text():
    (held,) = calls_of(run(told({**FIRST, "id": 7}), told({**FIRST, "id": 7}), one({}, "stop")))

    assert held["id"] == "7"


def test_a_type_alone_is_not_told_again():
    (held,) = calls_of(run(told(FIRST), told(call(type="function", function={"arguments": "1"}))))

    assert held["type"] == "function"


def test_each_of_two_fragments_in_one_delta_is_mended():
    both = [call(function={"arguments": "1"}), {"id": "b", "function": {"name": "g", "arguments": "2"}}]

    assert named(run(told(FIRST), told(*both), one({}, "stop"))) == [("f", "1"), ("g", "2")]


@pytest.mark.parametrize("nonsense", [{}, "calls", 7, [None], [[]], [{"index": []}], [{"function": "f"}]])
def test_nonsense_never_raises(nonsense):
    check_stream(run(one({"tool_calls": nonsense}), one({"tool_calls": nonsense}), one({}, "tool_calls")))


def test_null_and_empty_lists_are_no_calls():
    seen = run(one(ROLE), one({"tool_calls": None}), one({"tool_calls": []}), one({}, "stop"))

    assert seen[-1]["choices"][0]["finish_reason"] == "stop"


def test_ids_of_ours_differ_between_streams_and_calls():
    def ids(fallback_id):
        rules = Conform(model="m", fallback_id=fallback_id, created=1, include_usage=False)
        two = [{"function": {"name": "f"}}, {"function": {"name": "f"}}]
        return [held["id"] for held in calls_of(run({"choices": [{"delta": {"tool_calls": two}}]}, of=rules))]

    assert len({*ids("chat-1"), *ids("chat-2")}) == 4
