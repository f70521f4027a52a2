"""Legacy completions: prompts to chats, chunks to texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import Chunk, Completion, Usage
from llms.protocol.dialects.completions.dialect import CompletionsDialect
from llms.protocol.errors import InvalidRequest, UpstreamTruncated
from llms.testing.answers import chunk, completion


class Nothing:
    usage: Usage | None = None
    seconds = 0.0


def parsed(**fields: Any) -> Any:
    return CompletionsDialect().parse(
        json.dumps({"model": "m", **fields}).encode(), request_id="r", hops=1, stream=None
    )


def told(asked: dict[str, Any], *chunks: Chunk) -> list[Any]:
    """Return the events of a stream, decoded."""
    dialect = CompletionsDialect()
    request = dialect.parse(json.dumps({"model": "m", **asked}).encode(), request_id="r", hops=0, stream=True)
    telling = dialect.telling(request)
    text = b"".join([*map(telling.chunk, chunks[:-1]), telling.end(chunks[-1], Nothing())]).decode()
    assert text.endswith("data: [DONE]\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in text.split("\n\n")[:-2]]


def whole(asked: dict[str, Any], item: dict[str, Any]) -> Any:
    dialect = CompletionsDialect()
    dialect.parse(json.dumps({"model": "m", **asked}).encode(), request_id="r", hops=0, stream=False)
    return json.loads(dialect.whole(Completion(item, b""), Nothing()))


def logprobs_of(*tokens: str) -> dict[str, Any]:
    tops = [{"token": "other", "logprob": -2.0, "bytes": None}]
    return {
        "content": [{"token": token, "logprob": -0.5, "bytes": None, "top_logprobs": tops} for token in tokens],
        "refusal": None,
    }


class TestRequest:
    def test_a_prompt_is_a_chat_of_one_message(self) -> None:
        request = parsed(
            prompt="Say hi", max_tokens=5, stop=["x"], stream=True, x_other={"a": 1}, best_of=1, echo=False
        )

        assert request.body == {
            "model": "m",
            "messages": [{"role": "user", "content": "Say hi"}],
            "max_tokens": 5,
            "stop": ["x"],
            "stream": True,
            "x_other": {"a": 1},
        }
        assert (request.stream, request.hops, request.request_id) == (True, 1, "r")
        assert request.original.refusal is None
        assert request.original.chats == ()

    def test_the_original_stands_beside_it(self) -> None:
        request = parsed(prompt=["a", "b"], suffix="", n=2, logprobs=0)

        sent = json.loads(request.original.encode("theirs", stream=True))
        assert request.original.dialect == "completions"
        assert sent == {"model": "theirs", "prompt": ["a", "b"], "suffix": "", "n": 2, "logprobs": 0, "stream": True}

    def test_each_of_several_prompts_is_a_chat(self) -> None:
        request = parsed(prompt=["a", "b"], n=2, temperature=0)

        told_of = [(chat["messages"][0]["content"], chat["n"], chat["temperature"]) for chat in request.original.chats]
        assert told_of == [("a", 2, 0), ("b", 2, 0)]

    def test_log_probabilities_are_asked_for_as_chats_do(self) -> None:
        body = parsed(prompt="a", logprobs=3).body

        assert (body["logprobs"], body["top_logprobs"]) == (True, 3)

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"prompt": [1, 2]}, "prompt"),
            ({"prompt": [[1], [2, 3]]}, "prompt"),
            ({"prompt": "x", "suffix": "end"}, "suffix"),
            ({"prompt": "x", "best_of": 3}, "best_of"),
            ({"prompt": "x", "best_of": 3, "n": 2}, "best_of"),
            ({"prompt": "x", "echo": True, "logprobs": 1}, "logprobs"),
            ({"prompt": "x", "max_tokens": 0}, "max_tokens"),
        ],
    )
    def test_what_no_chat_can_ask_for_is_left_to_those_that_speak_completions(
        self, fields: dict[str, Any], param: str
    ) -> None:
        refusal = parsed(**fields).original.refusal

        assert refusal.param == param
        assert "dialects" in refusal.message

    def test_a_best_of_that_changes_nothing_is_no_matter(self) -> None:
        assert parsed(prompt="x", best_of=2, n=2).original.refusal is None

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({}, "prompt"),
            ({"prompt": None}, "prompt"),
            ({"prompt": 1}, "prompt"),
            ({"prompt": []}, "prompt"),
            ({"prompt": {"a": 1}}, "prompt"),
            ({"prompt": ["a", 1]}, "prompt[1]"),
            ({"prompt": [1, "a"]}, "prompt[1]"),
            ({"prompt": [True]}, "prompt[0]"),
            ({"prompt": [-1, 2]}, "prompt[0]"),
            ({"prompt": [[1], []]}, "prompt[1]"),
            ({"prompt": [[1], ["a"]]}, "prompt[1][0]"),
            ({"prompt": [None]}, "prompt[0]"),
            ({"prompt": ["a"] * 2049}, "prompt"),
            ({"prompt": "a", "n": 0}, "n"),
            ({"prompt": "a", "best_of": 0}, "best_of"),
            ({"prompt": "a", "n": True}, "n"),
            ({"prompt": "a", "echo": "yes"}, "echo"),
            ({"prompt": "a", "suffix": 1}, "suffix"),
            ({"prompt": "a", "logprobs": True}, "logprobs"),
            ({"prompt": "a", "logprobs": -1}, "logprobs"),
            ({"prompt": "a", "max_tokens": -1}, "max_tokens"),
            ({"prompt": "a", "stop": 5}, "stop"),
            ({"prompt": "a", "temperature": "hot"}, "temperature"),
            ({"prompt": "a", "messages": [{"role": "user", "content": "x"}]}, "messages"),
            ({"prompt": "a", "tools": [{}]}, "tools"),
        ],
    )
    def test_what_is_wrong_is_named(self, fields: dict[str, Any], param: str) -> None:
        with pytest.raises(InvalidRequest) as caught:
            parsed(**fields)

        assert caught.value.param == param
        assert len(caught.value.message) < 500


class TestStream:
    def test_texts_come_as_they_grow(self) -> None:
        events = told(
            {"prompt": "x"},
            Chunk.of(chunk({"role": "assistant", "content": ""})),
            Chunk.of(chunk({"content": "Hel"}), chunk({"content": "lo"})),
            Chunk.of(chunk({}, "stop")),
        )

        assert [event["choices"][0]["text"] for event in events] == ["Hel", "lo", ""]
        assert [event["choices"][0]["finish_reason"] for event in events] == [None, None, "stop"]
        assert events[0] == {
            "id": "cmpl-fake",
            "object": "text_completion",
            "created": 1_750_000_000,
            "model": "fake-model",
            "choices": [{"text": "Hel", "index": 0, "logprobs": None, "finish_reason": None}],
        }

    def test_usage_comes_last(self) -> None:
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        events = told(
            {"prompt": "x"},
            Chunk.of(chunk({"content": "a"}, "stop")),
            Chunk.of({**chunk({}), "choices": [], "usage": usage}),
        )

        assert (events[-1]["choices"], events[-1]["usage"]) == ([], usage)

    def test_what_is_no_text_is_left_out(self) -> None:
        events = told(
            {"prompt": "x"}, Chunk.of(chunk({"reasoning_content": "hm"})), Chunk.of(chunk({"content": "a"}, "stop"))
        )

        assert len(events) == 1

    def test_each_prompt_is_echoed_before_its_choices(self) -> None:
        chunks = [Chunk.of(chunk({"role": "assistant", "content": ""}, index=index)) for index in range(4)]
        chunks += [Chunk.of(chunk({"content": f"<{index}>"}, "stop", index=index)) for index in range(4)]
        events = told({"prompt": ["one", "two"], "n": 2, "echo": True}, *chunks)

        texts = {0: "", 1: "", 2: "", 3: ""}
        for event in events:
            texts[event["choices"][0]["index"]] += event["choices"][0]["text"]
        assert texts == {0: "one<0>", 1: "one<1>", 2: "two<2>", 3: "two<3>"}

    def test_log_probabilities_keep_count_of_the_text(self) -> None:
        parts = [
            {**chunk({"content": "Hello"})["choices"][0], "logprobs": logprobs_of("Hel", "lo")},
            {**chunk({"content": "!"})["choices"][0], "logprobs": logprobs_of("!")},
        ]
        events = told({"prompt": "ab", "logprobs": 1}, *(Chunk.of({**chunk({}), "choices": [part]}) for part in parts))

        first, second = (event["choices"][0]["logprobs"] for event in events)
        assert first == {
            "tokens": ["Hel", "lo"],
            "token_logprobs": [-0.5, -0.5],
            "top_logprobs": [{"other": -2.0, "Hel": -0.5}, {"other": -2.0, "lo": -0.5}],
            "text_offset": [2, 5],
        }
        assert second["text_offset"] == [7]

    def test_an_error_ends_it_without_done(self) -> None:
        dialect = CompletionsDialect()
        request = dialect.parse(b'{"model":"m","prompt":"x"}', request_id="r", hops=0, stream=True)

        text = dialect.telling(request).error(UpstreamTruncated("cut"))
        assert json.loads(text.removeprefix(b"data: "))["error"]["code"] == "upstream_truncated"
        assert b"[DONE]" not in text

    @given(st.lists(st.text(max_size=5), max_size=6), st.booleans())
    def test_joined_texts_are_the_whole_text(self, pieces: list[str], echo: bool) -> None:
        chunks = [Chunk.of(chunk({"content": piece})) for piece in pieces]
        events = told({"prompt": "p\u2028", "echo": echo}, *chunks, Chunk.of(chunk({}, "length")))

        joined = "".join(event["choices"][0]["text"] for event in events)
        assert joined == ("p\u2028" if echo else "") + "".join(pieces)
        assert events[-1]["choices"][0]["finish_reason"] == "length"


class TestWhole:
    def test_the_text_and_what_else_was_told(self) -> None:
        found = whole({"prompt": "x"}, {**completion({"content": "Hello"}), "x_top": 1})

        assert found["object"] == "text_completion"
        assert found["id"].startswith("cmpl-")
        assert found["choices"] == [{"text": "Hello", "index": 0, "logprobs": None, "finish_reason": "stop"}]
        assert found["x_top"] == 1
        assert found["usage"]["total_tokens"] == 12

    @pytest.mark.parametrize(
        ("message", "text"),
        [({"content": None}, ""), ({"content": None, "refusal": "No."}, "No."), ({"content": ""}, "")],
    )
    def test_the_text_is_always_one(self, message: dict[str, Any], text: str) -> None:
        assert whole({"prompt": "x"}, completion(message))["choices"][0]["text"] == text

    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("tool_calls", "stop")],
    )
    def test_it_ends_as_completions_end(self, theirs: str, ours: str) -> None:
        item = completion({"content": "a"})
        item["choices"][0]["finish_reason"] = theirs

        assert whole({"prompt": "x"}, item)["choices"][0]["finish_reason"] == ours

    def test_log_probabilities_are_lists_by_token(self) -> None:
        item = completion({"content": "Hi"})
        item["choices"][0]["logprobs"] = logprobs_of("H", "i")

        found = whole({"prompt": "", "logprobs": 1}, item)["choices"][0]["logprobs"]
        assert (found["tokens"], found["text_offset"]) == (["H", "i"], [0, 1])

    @pytest.mark.parametrize("broken", [{"content": None}, {"content": [{"token": 1}, None]}, {}])
    def test_log_probabilities_that_are_none_are_left_out(self, broken: Any) -> None:
        item = completion({"content": "Hi"})
        item["choices"][0]["logprobs"] = broken

        assert whole({"prompt": "x"}, item)["choices"][0]["logprobs"] is None
