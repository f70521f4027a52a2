"""Gemini's answers as chunks; the shapes are those of "Generating content" (response, usage, finish reasons)."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import Chunk
from llms.protocol.conform import Conform
from llms.protocol.dialects.gemini import Answer, AnswerReader, error_of
from llms.protocol.errors import (
    ContextLengthExceeded,
    LlmsError,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamRejected,
)
from llms.protocol.fold import Fold
from llms.protocol.refusals import Refusal

USAGE = {
    "promptTokenCount": 7,
    "toolUsePromptTokenCount": 1,
    "candidatesTokenCount": 5,
    "thoughtsTokenCount": 3,
    "cachedContentTokenCount": 2,
    "totalTokenCount": 16,
}


def reader(kept: dict[str, str] | None = None, *, max_event: int = 2**20) -> AnswerReader:
    remember = (kept if kept is not None else {}).__setitem__
    answer = Answer(provider="up", model="asked", fallback_id="ours", created=5, remember=remember)
    return AnswerReader(answer, provider="up", max_event=max_event, secrets=("secret-key",))


def said(*parts: Any, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    end = {"finishReason": finish} if finish else {}
    candidate = {"content": {"parts": [*parts], "role": "model"}, "index": index, **end, **more}
    return {"candidates": [candidate], "usageMetadata": USAGE, "modelVersion": "gemini-x", "responseId": "r1"}


def wire(*events: Any, end: str = "\n\n") -> bytes:
    return "".join(f"data: {json.dumps(each, ensure_ascii=False)}{end}" for each in events).encode()


def read(*events: Any, kept: dict[str, str] | None = None) -> tuple[list[Any], LlmsError | None]:
    reading = reader(kept)
    chunks = [reading.feed(wire(*events)), reading.close()]
    return [item for chunk in chunks if chunk is not None for item in chunk.objects], reading.error


class TestWhatOnlyRepeats:
    """Events that differ in a text and in what is counted."""

    @given(
        st.lists(
            st.tuples(
                st.one_of(st.text(max_size=3), st.sampled_from(["", "/", '"', "\\", "\u2028", "}", '"}],"role"'])),
                st.booleans(),
                st.sampled_from(
                    [{"candidatesTokenCount": 8}, {"candidatesTokenCount": 9, "thoughtsTokenCount": 1}, None]
                ),
            ),
            max_size=8,
        ),
        st.sampled_from(["\n\n", "\r\n\r\n"]),
    )
    def test_they_are_read_as_what_is_decoded(self, made: list[tuple[str, bool, Any]], end: str) -> None:
        events = [said({"text": piece}) for piece in "abc"]
        for piece, thinks, counts in made:
            event = said({"text": piece, **({"thought": True} if thinks else {})})
            events.append({**event, "usageMetadata": {"promptTokenCount": 7, **counts} if counts else None})
        frames = [wire(event, end=end) for event in [*events, said(finish="STOP")]]
        halves = [half for frame in frames for half in (frame[:-1], frame[-1:])]

        assert self.objects(frames) == self.objects(halves)
        assert self.objects(frames[:-1]) == self.objects(halves[:-2]), "the counts of the last event"

    @pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
    def test_they_are_not_decoded(self, end: str) -> None:
        reading = reader()
        words = [f"w{number}" for number in range(20)]
        counts = [{**USAGE, "candidatesTokenCount": number} for number in range(20)]
        events = [{**said({"text": word}), "usageMetadata": each} for word, each in zip(words, counts, strict=True)]
        chunks = [chunk for event in events if (chunk := reading.feed(wire(event, end=end))) is not None]
        last = reading.close()

        assert sum(chunk.wire is not None for chunk in chunks) == 19
        assert [item["choices"][0]["delta"]["content"] for chunk in chunks for item in chunk.objects] == words
        assert last is not None
        assert last.objects[0]["usage"]["completion_tokens"] == 19 + USAGE["thoughtsTokenCount"]

    @pytest.mark.parametrize(
        "counts", [b"{}}", b"[]", b'{"a":1', b'{"a":\n\n1}', b'{"a":1},"x":{"b":2}', b'{"a":\xff}'], ids=repr
    )
    def test_what_is_not_counts_is_looked_at(self, counts: bytes) -> None:
        first = b"".join(wire(said({"text": piece})) for piece in "ab")
        odd = wire(said({"text": "c"})).replace(json.dumps(USAGE).encode(), counts)
        frames = [frame + b"\n\n" for frame in first.split(b"\n\n") if frame]

        assert self.objects([*frames, odd]) == self.objects([*frames, odd[:-1], odd[-1:]])

    @staticmethod
    def objects(reads: list[bytes]) -> list[Any]:
        reading = reader()
        chunks = [*map(reading.feed, reads), reading.close()]
        return [item for chunk in chunks if chunk is not None for item in chunk.objects]


def folded(objects: list[Any]) -> Any:
    fold = Fold()
    fold.add(objects)
    return fold.completion()


def call(name: str = "look", args: Any = None, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": args or {}}, **more}


class TestParts:
    def test_texts_thoughts_and_calls_keep_apart_and_in_order(self) -> None:
        objects, error = read(
            said({"text": "hm", "thought": True}, {"text": "A"}),
            said(call("look", {"at": "Zürich"}), call("hear")),
            said(finish="STOP"),
        )
        (choice,) = folded(objects)["choices"]

        assert error is None
        assert [list(item["choices"][0]["delta"]) for item in objects[:4]] == [
            ["reasoning_content"],
            ["content"],
            ["tool_calls"],
            ["tool_calls"],
        ]
        assert (choice["message"]["reasoning_content"], choice["message"]["content"]) == ("hm", "A")
        assert [held["function"] for held in choice["message"]["tool_calls"]] == [
            {"name": "look", "arguments": '{"at":"Zürich"}'},
            {"name": "hear", "arguments": "{}"},
        ]
        assert choice["finish_reason"] == "tool_calls"

    def test_the_head_is_the_upstream_s_and_stays(self) -> None:
        objects, _ = read(said({"text": "A"}), {**said({"text": "B"}, finish="STOP"), "responseId": "other"})

        assert {(item["id"], item["model"], item["created"]) for item in objects} == {("r1", "gemini-x", 5)}

    def test_usage_is_told_once_at_the_end(self) -> None:
        objects, _ = read(said({"text": "A"}), said({"text": "B"}, finish="STOP"))

        assert [item["usage"] for item in objects if "usage" in item] == [
            {
                "prompt_tokens": 8,
                "completion_tokens": 8,
                "total_tokens": 16,
                "prompt_tokens_details": {"cached_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3},
            }
        ]
        assert objects[-1]["choices"] == []

    def test_signatures_go_out_where_they_are_wanted_back(self) -> None:
        kept: dict[str, str] = {}
        objects, _ = read(
            said(call(thoughtSignature="s1", functionCall={"name": "look", "id": "theirs"}), call("hear")),
            said({"text": "A", "thoughtSignature": "s2"}),
            said({"text": "", "thoughtSignature": "s3"}, finish="STOP"),
            kept=kept,
        )
        message = folded(objects)["choices"][0]["message"]
        first, second = message["tool_calls"]

        assert (first["id"], first["extra_content"]) == ("theirs", {"google": {"thought_signature": "s1"}})
        assert "extra_content" not in second
        assert kept == {"theirs": "s1"}
        assert message["reasoning_details"] == [
            {"type": "reasoning.encrypted", "data": "s2", "format": "google-gemini-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "s3", "format": "google-gemini-v1", "index": 1},
        ]

    def test_calls_without_an_id_get_one_that_no_other_has(self) -> None:
        one, _ = read(said(call(), call(), finish="STOP"), said(call(), index=1, finish="STOP"))
        other, _ = read({**said(call(), finish="STOP"), "responseId": "r2"})
        ids = [
            held["id"]
            for item in (*one, *other)
            for choice in item["choices"]
            for held in choice["delta"].get("tool_calls", ())
        ]

        assert len(set(ids)) == len(ids) == 4

    def test_several_candidates_are_several_choices(self) -> None:
        event = {
            "candidates": [
                *said({"text": "A"}, finish="STOP")["candidates"],
                *said({"text": "B"}, finish="MAX_TOKENS", index=1)["candidates"],
            ]
        }
        choices = folded(read(event)[0])["choices"]

        assert [(each["message"]["content"], each["finish_reason"]) for each in choices] == [
            ("A", "stop"),
            ("B", "length"),
        ]

    def test_pictures_and_code_that_ran_are_part_of_the_answer(self) -> None:
        objects, _ = read(
            said({"inlineData": {"mimeType": "image/png", "data": "aGk="}}),
            said({"executableCode": {"language": "PYTHON", "code": "1+1"}}),
            said({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}, finish="STOP"),
        )
        message = folded(objects)["choices"][0]["message"]

        assert [each["image_url"]["url"] for each in message["images"]] == ["data:image/png;base64,aGk="]
        assert message["content"] == "\n```python\n1+1\n```\n\n```\n2\n```\n"

    def test_log_probabilities(self) -> None:
        told = {
            "chosenCandidates": [
                {"token": "é", "tokenId": 1, "logProbability": -0.5},
                {"token": "b", "logProbability": -1},
            ],
            "topCandidates": [
                {"candidates": [{"token": "é", "logProbability": -0.5}, {"token": "x", "logProbability": -2}]}
            ],
        }
        (choice,) = folded(read(said({"text": "éb"}, finish="STOP", logprobsResult=told))[0])["choices"]

        assert choice["logprobs"]["content"] == [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [195, 169],
                "top_logprobs": [
                    {"token": "é", "logprob": -0.5, "bytes": [195, 169]},
                    {"token": "x", "logprob": -2, "bytes": [120]},
                ],
            },
            {"token": "b", "logprob": -1, "bytes": [98], "top_logprobs": []},
        ]

    def test_what_else_is_told_of_a_candidate_is_passed_on(self) -> None:
        sources = {"groundingChunks": [{"web": {"uri": "https://a"}}]}
        (choice,) = folded(read(said({"text": "A"}, finish="STOP", groundingMetadata=sources))[0])["choices"]

        assert choice["extra_content"] == {"google": {"groundingMetadata": sources}}


class TestEnds:
    @pytest.mark.parametrize(
        ("finish", "wanted"),
        [
            ("STOP", "stop"),
            ("MAX_TOKENS", "length"),
            ("SAFETY", "content_filter"),
            ("RECITATION", "content_filter"),
            ("BLOCKLIST", "content_filter"),
            ("PROHIBITED_CONTENT", "content_filter"),
            ("SPII", "content_filter"),
            ("IMAGE_SAFETY", "content_filter"),
            ("LANGUAGE", "stop"),
            ("OTHER", "stop"),
            ("SOMETHING_NEW", "stop"),
            ("MALFORMED_FUNCTION_CALL", "stop"),
        ],
    )
    def test_after_some_text_there_is_one_of_openai_s_five(self, finish: str, wanted: str) -> None:
        (choice,) = folded(read(said({"text": "A"}), said(finish=finish))[0])["choices"]

        assert choice["finish_reason"] == wanted
        assert choice.get("native_finish_reason") == (None if finish in ("STOP", "MAX_TOKENS") else finish)

    @pytest.mark.parametrize("finish", ["STOP", "MAX_TOKENS", "SAFETY"])
    def test_an_empty_answer_may_end_well(self, finish: str) -> None:
        objects, error = read(said(finish=finish))

        assert error is None
        assert folded(objects)["choices"][0]["finish_reason"]

    @pytest.mark.parametrize("finish", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER", "LANGUAGE", "NEW"])
    @pytest.mark.parametrize("before", [(), ({"text": "hm", "thought": True},)], ids=["nothing", "thoughts"])
    def test_a_failure_before_the_answer_is_an_error(self, before: tuple[Any, ...], finish: str) -> None:
        objects, error = read(said(*before), said(finish=finish, finishMessage="print(look())"))

        assert isinstance(error, UpstreamError)
        assert error.retryable
        assert finish in error.message
        assert "print(look())" in error.message
        assert len(objects) == len(before)

    def test_a_blocked_prompt_is_the_client_s_to_mend(self) -> None:
        objects, error = read({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": USAGE})

        assert objects == []
        assert isinstance(error, UpstreamRejected)
        assert (error.http_status, error.code, error.retryable) == (400, "content_filter", False)
        assert "SAFETY" in error.message

    def test_without_a_finish_reason_an_answer_did_not_end(self) -> None:
        objects, _ = read(said({"text": "A"}))

        assert folded(objects)["choices"][0]["finish_reason"] is None


class TestFaults:
    @pytest.mark.parametrize(
        "odd",
        [
            {"candidates": 1},
            {"candidates": [None, 1]},
            {"candidates": [{}]},
            {"candidates": [{"content": []}]},
            {"candidates": [{"content": {"parts": {}}, "index": "x", "finishReason": {}}]},
            {"candidates": [{"content": {"parts": [1, {}, {"text": 5}, {"functionCall": 1}]}}]},
            {"candidates": [{"content": {"parts": [{"text": None, "thoughtSignature": 7}]}, "logprobsResult": []}]},
            {"usageMetadata": [], "promptFeedback": "x"},
        ],
    )
    def test_odd_shapes_break_nothing(self, odd: Any) -> None:
        objects, error = read(odd, said({"text": "A"}, finish="STOP"))

        assert error is None
        assert folded(objects)["choices"][0]["message"]["content"] == "A"

    def test_an_event_that_is_too_long_is_told(self) -> None:
        reading = reader(max_event=100)
        assert reading.feed(b"data: " + b"x" * 200) is None
        assert isinstance(reading.error, UpstreamProtocolError)

    def test_an_error_inside_a_stream_keeps_what_came_before(self) -> None:
        told = {"error": {"code": 503, "message": "overloaded secret-key", "status": "UNAVAILABLE"}}
        objects, error = read(said({"text": "A"}), told, said({"text": "never"}))

        assert [item["choices"][0]["delta"] for item in objects] == [{"content": "A"}]
        assert isinstance(error, UpstreamOverloaded)
        assert "secret-key" not in error.message

    @pytest.mark.parametrize(
        "body", [b"", b"nonsense", b"[]", b"null", b"{}", b'{"candidates":[]}', b'{"usageMetadata":{}}']
    )
    def test_a_whole_answer_that_is_none_is_an_error(self, body: bytes) -> None:
        reading = reader()

        assert reading.whole(body) is None
        assert isinstance(reading.error, UpstreamProtocolError)

    def test_a_stream_that_came_as_a_list_is_read(self) -> None:
        chunk = reader().whole(json.dumps([said({"text": "A"}), said({"text": "B"}, finish="STOP")]).encode())

        assert chunk is not None
        assert folded(list(chunk.objects))["choices"][0]["message"]["content"] == "AB"


class TestRefusals:
    """Page "Troubleshooting guide", and the errors of Google's API design guide."""

    def refuse(self, status: int, message: str, *details: Any, headers: dict[str, str] | None = None) -> LlmsError:
        told = {"code": status, "message": message, "status": "X", "details": [*details]}
        return error_of(Refusal("up", status, json.dumps({"error": told}).encode(), headers))

    def test_the_patience_of_retry_info_is_kept(self) -> None:
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}

        assert self.refuse(429, "quota", {"@type": "x"}, info).retry_after == 34.5
        assert self.refuse(429, "quota", info, headers={"retry-after": "3"}).retry_after == 3
        assert self.refuse(429, "quota", {"retryDelay": "soon"}).retry_after is None

    def test_a_bad_key_comes_with_400_and_is_ours_to_mend(self) -> None:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}

        assert isinstance(self.refuse(400, "API key not valid.", info), UpstreamAuthenticationFailed)

    def test_a_prompt_that_is_too_long_is_told_apart(self) -> None:
        words = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."

        assert isinstance(self.refuse(400, words), ContextLengthExceeded)
        assert isinstance(self.refuse(400, "Invalid value"), UpstreamRejected)

    @pytest.mark.parametrize(
        "body", [b"", b"<html>no</html>", b"[]", b"null", b'{"error":"text"}', b'[{"error":{"message":"m"}}]']
    )
    def test_any_body_will_do(self, body: bytes) -> None:
        assert error_of(Refusal("up", 500, body)).http_status == 500


TEXTS = st.text(min_size=1, max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.one_of(
    TEXTS.map(lambda text: {"text": text}),
    TEXTS.map(lambda text: {"text": text, "thought": True}),
    st.builds(call, st.sampled_from(["look", "hear"]), st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)),
)
EVENTS = st.lists(st.lists(PARTS, max_size=3), min_size=1, max_size=6)


@given(EVENTS, st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]), st.data())
def test_any_split_of_any_stream_says_what_was_said(events: list[list[Any]], end: str, data: st.DataObject) -> None:
    told = [said(*parts, finish="STOP" if at == len(events) - 1 else None) for at, parts in enumerate(events)]
    raw = wire(*told, end=end)
    cuts = sorted({0, len(raw), *data.draw(st.lists(st.integers(0, len(raw)), max_size=8))})
    reading = reader()
    chunks = [reading.feed(raw[one:other]) for one, other in pairwise(cuts)]
    rules = Conform(model="asked", fallback_id="ours", created=1, include_usage=True)
    passed = [rules.apply(chunk) for chunk in (*chunks, reading.close()) if chunk is not None]
    last = rules.last()
    seen = folded([item for chunk in (*passed, last) if chunk is not None for item in chunk.objects])
    parts = [part for each in events for part in each]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    (choice,) = seen["choices"]

    assert reading.error is None
    assert rules.complete
    assert (choice["message"]["content"] or "") == _joined(parts, thoughts=False)
    assert choice["message"].get("reasoning_content", "") == _joined(parts, thoughts=True)
    assert [
        {"name": held["function"]["name"], "args": json.loads(held["function"]["arguments"])}
        for held in choice["message"].get("tool_calls", ())
    ] == calls
    assert choice["finish_reason"] == ("tool_calls" if calls else "stop")
    assert seen["usage"]["total_tokens"] == USAGE["totalTokenCount"]

    whole = reader().whole(json.dumps(said(*parts, finish="STOP")).encode())
    assert isinstance(whole, Chunk)
    assert _gist(folded(list(whole.objects))) == _gist(seen)


def _joined(parts: list[Any], *, thoughts: bool) -> str:
    return "".join(part["text"] for part in parts if "text" in part and part.get("thought", False) is thoughts)


def _gist(completion: Any) -> Any:
    message = completion["choices"][0]["message"]
    calls = [held["function"] for held in message.get("tool_calls", ())]
    return message.get("content") or "", message.get("reasoning_content", ""), calls, completion["usage"]
