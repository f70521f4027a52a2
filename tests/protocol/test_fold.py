"""Chunks and completions say the same: whatever is folded, unfolded or cut differently."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.chat import FINISH_REASONS, ChunkObject, CompletionObject
from llms.protocol.fold import Fold, unfold

PATIENT = settings(deadline=None)
Object = dict[str, Any]


def fold(chunks: list[ChunkObject]) -> CompletionObject:
    folded = Fold()
    folded.add(chunks)
    return folded.completion()


def chunk(*choices: Object, **fields: Any) -> ChunkObject:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return {**head, "choices": list(choices), **fields}


def delta(index: int = 0, /, finish_reason: str | None = None, **fields: Any) -> Object:
    return {"index": index, "delta": fields, "finish_reason": finish_reason}


def message(*deltas: Object) -> Any:
    return fold([chunk(one) for one in deltas])["choices"][0]["message"]


def test_a_plain_stream() -> None:
    assert fold(
        [
            chunk(delta(role="assistant", content="")),
            chunk(delta(content="Hel"), system_fingerprint="fp"),
            chunk(delta(content="lo")),
            chunk(delta(finish_reason="stop")),
            chunk(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
        ]
    ) == {
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "system_fingerprint": "fp",
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }


def test_tool_calls_are_assembled_by_index() -> None:
    def fragment(index: int, arguments: str, **fields: Any) -> Object:
        name = {"name": fields.pop("name")} if "name" in fields else {}
        return {"index": index, **fields, "function": {**name, "arguments": arguments}}

    answer = message(
        delta(role="assistant", content=None),
        delta(tool_calls=[fragment(1, "", id="b", type="function", name="second")]),
        delta(tool_calls=[fragment(0, "", id="a", type="function", name="first")]),
        delta(tool_calls=[fragment(1, '{"x"'), fragment(0, "{}")]),
        delta(tool_calls=[fragment(1, "", id="b", name="second", extra_content={"signature": "s"})]),
        delta(tool_calls=[fragment(1, ":1}", id="", name="")]),
        delta(finish_reason="tool_calls"),
    )
    assert answer["content"] is None
    assert answer["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "first", "arguments": "{}"}},
        {
            "id": "b",
            "type": "function",
            "function": {"name": "second", "arguments": '{"x":1}'},
            "extra_content": {"signature": "s"},
        },
    ]


def test_custom_tool_input_and_legacy_function_calls_stream() -> None:
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "l"}}
    answer = message(
        delta(tool_calls=[custom]),
        delta(tool_calls=[{"index": 0, "custom": {"input": "s"}}]),
        delta(function_call={"name": "f", "arguments": "{"}),
        delta(function_call={"arguments": "}"}),
    )
    assert answer["tool_calls"][0]["custom"] == {"name": "sh", "input": "ls"}
    assert answer["function_call"] == {"name": "f", "arguments": "{}"}


@pytest.mark.parametrize("other", ["tool_calls", "function_call", "refusal", "audio"])
def test_an_empty_text_is_null_beside_what_else_is_said(other: str) -> None:
    values: Object = {"tool_calls": [{"index": 0, "id": "a"}], "refusal": "no"}
    said = {"index": 0, "delta": {other: values.get(other, {"id": "x"})}, "finish_reason": None}
    assert message(delta(role="assistant", content=""), said)["content"] is None
    assert message(delta(role="assistant", content="so"), said)["content"] == "so"
    assert message(delta(role="assistant", content=""))["content"] == ""


def test_reasoning_refusal_and_audio_are_joined_apart() -> None:
    answer = message(
        delta(reasoning_content="th", reasoning="r"),
        delta(reasoning_content="ink", reasoning="s", reasoning_details=[{"i": 1}]),
        delta(reasoning_details=[{"i": 2}]),
        delta(refusal="can"),
        delta(refusal="not", audio={"id": "au", "data": "AA", "transcript": "he"}),
        delta(audio={"data": "BB", "transcript": "y", "expires_at": 9}),
    )
    assert (answer["reasoning_content"], answer["reasoning"], answer["refusal"]) == ("think", "rs", "cannot")
    assert answer["reasoning_details"] == [{"i": 1}, {"i": 2}]
    assert answer["audio"] == {"id": "au", "data": "AABB", "transcript": "hey", "expires_at": 9}


def test_choices_interleave_and_come_out_by_index() -> None:
    whole = fold(
        [
            chunk(delta(1, role="assistant", content="b1")),
            chunk(delta(0, role="assistant", content="a1"), delta(1, content="b2")),
            chunk(delta(1, finish_reason="length")),
            chunk(delta(0, content="a2", finish_reason="stop")),
        ]
    )
    found = [(c["index"], c["message"]["content"], c["finish_reason"]) for c in whole["choices"]]
    assert found == [(0, "a1a2", "stop"), (1, "b1b2", "length")]


def test_logprobs_are_extended() -> None:
    def with_logprobs(logprobs: object) -> ChunkObject:
        return chunk({**delta(content="x"), "logprobs": logprobs})

    chunks = [with_logprobs(None), with_logprobs({"content": [1], "refusal": None})]
    chunks += [with_logprobs({"content": [2, 3], "refusal": [4]}), with_logprobs(None)]
    assert fold(chunks)["choices"][0]["logprobs"] == {"content": [1, 2, 3], "refusal": [4]}


def test_unknown_fields_are_kept() -> None:
    choice = {**delta(x_delta="a", x_flag=True), "x_choice": {"hate": 1}, "token_ids": [1]}
    later = {**delta(x_delta="b"), "x_choice": {"self_harm": 2}, "token_ids": [2], "stop_reason": None}
    whole = fold([chunk(choice, citations=["u"], x_top="1"), chunk(later, citations=["u", "v"], x_top=None)])
    assert whole["citations"] == ["u", "v"]
    assert whole["x_top"] == "1"
    [folded] = whole["choices"]
    assert folded["x_choice"] == {"hate": 1, "self_harm": 2}
    assert folded["token_ids"] == [1, 2]
    assert folded["stop_reason"] is None
    assert folded["message"]["x_delta"] == "b"
    assert folded["message"]["x_flag"] is True


def test_an_empty_first_chunk_does_not_hide_the_head() -> None:
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [1]}
    whole = fold([first, chunk(delta(content="a")), chunk(delta(finish_reason="stop"), usage=None)])
    assert (whole["id"], whole["created"], whole["model"]) == ("c1", 7, "m")
    assert whole["prompt_filter_results"] == [1]


def test_the_fields_stand_in_the_order_of_the_stream() -> None:
    whole = fold([chunk(delta(content="a")), chunk(usage={"total_tokens": 1})])
    assert list(whole) == ["id", "object", "created", "model", "choices", "usage"]


def test_a_missing_index_is_the_position() -> None:
    pieces = [{"id": "a", "function": {"arguments": "{"}}, {"id": "b", "function": {"arguments": "["}}]
    both: list[Object] = [{"delta": {"content": "a", "tool_calls": pieces}}, {"delta": {"content": "b"}}]
    whole = fold([chunk(*both), chunk(*both)])
    assert [(c["index"], c["message"]["content"]) for c in whole["choices"]] == [(0, "aa"), (1, "bb")]
    assert [c["function"]["arguments"] for c in whole["choices"][0]["message"]["tool_calls"]] == ["{{", "[["]


def test_padding_is_dropped_and_an_open_choice_has_no_finish_reason() -> None:
    whole = fold([chunk(delta(content="a"), obfuscation="zzz")])
    assert "obfuscation" not in whole
    assert whole["choices"][0]["finish_reason"] is None


def test_nothing_folds_to_no_choices() -> None:
    assert fold([])["choices"] == []
    assert fold([chunk()])["choices"] == []


def test_the_answer_so_far_stays_as_it_was_and_chunks_are_never_changed() -> None:
    chunks = [
        chunk({**delta(content="a", x_list=[1]), "logprobs": {"content": [1]}}, citations=["u"]),
        chunk({**delta(content="b", x_list=[2]), "logprobs": {"content": [2]}}, citations=["v"]),
    ]
    untouched = copy.deepcopy(chunks)
    folded = Fold()
    folded.add(chunks[:1])
    early = folded.completion()
    kept = copy.deepcopy(early)
    folded.add(chunks[1:])
    assert early == kept
    assert chunks == untouched
    late = folded.completion()["choices"][0]
    assert (late["message"]["content"], late["message"]["x_list"], late["logprobs"]) == (
        "ab",
        [1, 2],
        {"content": [1, 2]},
    )


TEXT = st.text(max_size=12)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
UNKNOWN = st.dictionaries(TEXT.map(lambda name: f"x_{name}"), VALUE, max_size=3)


def objects(required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[Object]:
    known = st.fixed_dictionaries(required, optional=optional or {})
    return st.builds(lambda unknown, fields: {**unknown, **fields}, UNKNOWN, known)


CALL = objects({"id": TEXT, "type": st.just("function"), "function": objects({"name": TEXT, "arguments": TEXT})})
CUSTOM = objects({"id": TEXT, "type": st.just("custom"), "custom": objects({"name": TEXT, "input": TEXT})})
MESSAGE = objects(
    {"role": st.just("assistant"), "content": st.none() | TEXT, "refusal": st.none() | TEXT},
    {
        "tool_calls": st.none() | st.lists(CALL | CUSTOM, max_size=3),
        "function_call": st.none() | objects({"name": TEXT, "arguments": TEXT}),
        "reasoning_content": st.none() | TEXT,
        "reasoning": TEXT,
        "audio": st.none() | objects({"id": TEXT, "data": TEXT, "transcript": TEXT}),
        "annotations": st.lists(VALUE, max_size=2),
    },
).map(lambda m: {**m, "content": m["content"] or None})
PLAIN = objects({"role": st.just("assistant"), "content": TEXT, "refusal": st.none()})
LOGPROBS = st.none() | objects({"content": st.none() | st.lists(VALUE), "refusal": st.none() | st.lists(VALUE)})
CHOICE = objects(
    {"message": PLAIN | MESSAGE, "logprobs": LOGPROBS, "finish_reason": st.sampled_from(sorted(FINISH_REASONS))}
)
CHOICES = st.lists(CHOICE, max_size=3).map(lambda found: [{**c, "index": i} for i, c in enumerate(found)])
COMPLETION = objects(
    {
        "id": TEXT,
        "object": st.just("chat.completion"),
        "created": st.integers(0),
        "model": TEXT,
        "choices": CHOICES,
    },
    {
        "usage": objects({"prompt_tokens": st.integers(0), "completion_tokens": st.integers(0)}),
        "system_fingerprint": st.none() | TEXT,
        "service_tier": st.none() | TEXT,
    },
)


@PATIENT
@given(COMPLETION)
def test_unfolding_and_folding_gives_the_same_completion(completion: CompletionObject) -> None:
    untouched = copy.deepcopy(completion)
    assert fold(unfold(completion)) == untouched
    assert completion == untouched


@PATIENT
@given(COMPLETION)
def test_unfolded_chunks_are_what_clients_expect(completion: CompletionObject) -> None:
    chunks = unfold(completion)
    assert {c["object"] for c in chunks} == {"chat.completion.chunk"}
    assert {(c["id"], c["created"], c["model"]) for c in chunks} == {
        (completion["id"], completion["created"], completion["model"])
    }
    for known in completion["choices"]:
        steps = [s for c in chunks for s in c["choices"] if s["index"] == known["index"]]
        assert [s["delta"].get("role") for s in steps] == ["assistant", *[None] * (len(steps) - 1)]
        assert [s["finish_reason"] for s in steps] == [*[None] * (len(steps) - 1), known["finish_reason"]]
        fragments = [f for s in steps for f in s["delta"].get("tool_calls") or ()]
        assert [f["index"] for f in fragments] == list(range(len(known["message"].get("tool_calls") or ())))
        texts = [s["delta"] for s in steps if s["delta"].get("content")]
        assert not any(d.get("reasoning") or d.get("reasoning_content") for d in texts)
    assert ("usage" in chunks[-1]) == ("usage" in completion)
    assert not any("usage" in c for c in chunks[:-1])


STREAMED = ("content", "refusal", "reasoning_content", "reasoning")


@PATIENT
@given(COMPLETION, st.integers(0, 2**16))
def test_the_same_deltas_cut_otherwise_fold_to_the_same(completion: CompletionObject, seed: int) -> None:
    random = Random(seed)
    pieces = [piece for c in unfold(completion) for piece in split(c, random)]
    folded = Fold()
    while pieces:
        size = random.randint(0, 3)
        folded.add(pieces[:size])
        del pieces[:size]
    assert folded.completion() == completion


def split(item: ChunkObject, random: Random) -> list[ChunkObject]:
    """Cut the texts of a chunk in two and put the second halves in a chunk of their own."""
    first = copy.deepcopy(item)
    second: list[Object] = []
    for choice in first["choices"]:
        later: Object = {}
        for name in STREAMED:
            if isinstance(text := choice["delta"].get(name), str):
                place = random.randint(0, len(text))
                choice["delta"][name], later[name] = text[:place], text[place:]
        for call in choice["delta"].get("tool_calls") or ():
            for part, name in (("function", "arguments"), ("custom", "input")):
                if part in call:
                    text = call[part][name]
                    place = random.randint(0, len(text))
                    call[part][name] = text[:place]
                    fragment = {"index": call["index"], part: {name: text[place:]}}
                    later.setdefault("tool_calls", []).append(fragment)
        if isinstance(found := (choice["logprobs"] or {}).get("content"), list):
            choice["logprobs"]["content"] = found[:1]
            second.append({"index": choice["index"], "delta": later, "logprobs": {"content": found[1:]}})
        else:
            second.append({"index": choice["index"], "delta": later, "logprobs": None})
    return [first, {**first, "choices": second}]


def test_tool_calls_and_a_text_that_are_told_otherwise_are_put_right() -> None:
    calls = [{"id": "a", "index": 7}, {"id": "b"}]
    first, second, _ = unfold({"choices": [{"message": {"tool_calls": calls}, "finish_reason": "tool_calls"}]})
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert second["choices"][0]["delta"]["tool_calls"] == [{"index": 0, "id": "a"}, {"index": 1, "id": "b"}]


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": [None, "x", {"message": "text", "finish_reason": "stop"}]},
        {"choices": [{"message": {"tool_calls": [None, {"id": "a"}]}}]},
        {"choices": [{"message": {"tool_calls": "none"}}]},
        {"choices": None},
        {},
    ],
)
def test_an_odd_answer_unfolds_without_what_is_no_object(odd: CompletionObject) -> None:
    for item in unfold(odd):
        assert isinstance(item["choices"], list)
        assert all(isinstance(step["delta"], dict) for step in item["choices"])
