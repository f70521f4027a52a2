"""Requests of Messages as chats, and chats as requests of Messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.messages.asked import chat_of
from llms.protocol.dialects.messages.asking import body_of
from llms.protocol.dialects.messages.counting import estimate
from llms.protocol.dialects.messages.details import FORMAT
from llms.protocol.dialects.messages.dialect import MessagesDialect
from llms.protocol.errors import InvalidRequest, NotSupported, RequestError
from tests.protocol.dialects.messages.legal import blocks

MARK = {"type": "ephemeral"}
PIXEL = "iVBORw0KGgo="


def chat(content: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return chat_of({"model": "m", "messages": [{"role": role, "content": content}], **more})


def asked(messages: list[dict[str, Any]], *, model: str = "claude-sonnet-4-5", **more: Any) -> dict[str, Any]:
    return body_of(ChatRequest({"messages": messages, **more}, model), stream=False, default_max=8192)


def user(text: str = "Hi") -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


class TestFromClients:
    @pytest.mark.parametrize(
        ("block", "part"),
        [
            (
                {"type": "text", "text": "a", "cache_control": MARK},
                {"type": "text", "text": "a", "cache_control": MARK},
            ),
            (
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ),
            (
                {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            ),
            (
                {
                    "type": "document",
                    "title": "T",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
                },
                {"type": "file", "file": {"filename": "T", "file_data": "data:application/pdf;base64,QQ=="}},
            ),
        ],
    )
    def test_blocks_are_parts(self, block: dict[str, Any], part: dict[str, Any]) -> None:
        (message,) = chat([block])["messages"]

        assert message["content"] == [part]

    @pytest.mark.parametrize(
        ("block", "text"),
        [
            (
                {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
                "T\n\nx",
            ),
            ({"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}}, "x"),
            (
                {"type": "search_result", "title": "T", "source": "S", "content": [{"type": "text", "text": "x"}]},
                "T\nS\nx",
            ),
        ],
    )
    def test_what_is_text_becomes_text(self, block: dict[str, Any], text: str) -> None:
        assert chat([block])["messages"][0]["content"] == text

    def test_results_of_tools_come_first(self) -> None:
        image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
        made = chat(
            [
                {"type": "text", "text": "and?"},
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a"}, image]},
                {"type": "tool_result", "tool_use_id": "t2", "is_error": True},
            ]
        )["messages"]

        assert [message["role"] for message in made] == ["tool", "tool", "user"]
        assert [part["type"] for part in made[0]["content"]] == ["text", "image_url"]
        assert (made[1]["content"], made[1]["is_error"], made[2]["content"]) == ("", True, "and?")

    def test_a_system_prompt_with_marks_keeps_them(self) -> None:
        system = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": MARK}]

        assert chat("Hi", system=system)["messages"][0] == {"role": "system", "content": system}
        assert chat("Hi", system=[{"type": "text", "text": "a"}])["messages"][0]["content"] == "a"

    @pytest.mark.parametrize(
        ("more", "made"),
        [
            ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"reasoning_effort": "low"}),
            ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, {"reasoning_effort": "high"}),
            ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, {"reasoning_effort": "high"}),
            ({"thinking": {"type": "disabled"}}, {}),
            ({"metadata": {"user_id": "u"}, "top_k": 3}, {"user": "u", "top_k": 3}),
            ({"service_tier": "standard_only"}, {"service_tier": "default"}),
            ({"tool_choice": {"type": "any"}}, {}),
            ({"context_management": {"edits": []}}, {}),
        ],
    )
    def test_fields(self, more: dict[str, Any], made: dict[str, Any]) -> None:
        found = chat("Hi", **more)

        assert {name: value for name, value in found.items() if name not in ("model", "messages")} == made

    def test_tools_and_choice(self) -> None:
        tool = {"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": MARK}
        choice = {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
        found = chat("Hi", tools=[tool], tool_choice=choice)

        function = {"name": "f", "description": "d", "parameters": {"type": "object"}}
        assert found["tools"] == [{"type": "function", "function": function, "cache_control": MARK}]
        assert found["tool_choice"] == {"type": "function", "function": {"name": "f"}}
        assert found["parallel_tool_calls"] is False

    def test_a_form_of_the_answer(self) -> None:
        wanted = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
        found = chat("Hi", output_config=wanted)["response_format"]

        assert found["json_schema"]["schema"] == {"type": "object"}

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
            ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
            ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
            ({"messages": [{"role": "user", "content": [{"type": "new"}]}]}, "messages[0].content[0]"),
            ({"messages": user(), "tools": [{"name": "f"}]}, "tools[0].input_schema"),
            ({"messages": user(), "tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
            ({"messages": user(), "mcp_servers": [{"url": "x"}]}, "mcp_servers"),
            (
                {
                    "messages": [
                        {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}
                    ]
                },
                "messages[0].content[0].source.type",
            ),
        ],
    )
    def test_what_cannot_be_translated_is_named(self, body: dict[str, Any], where: str) -> None:
        raw = json.dumps({"model": "m", "max_tokens": 9, **body}).encode()
        request = MessagesDialect().parse(raw, request_id="r", hops=0, stream=None)
        with pytest.raises(InvalidRequest) as raised:
            dict(request.body)

        assert raised.value.param == where

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ({"messages": user()}, "model"),
            ({"model": "", "messages": user()}, "model"),
            ({"model": "m"}, "messages"),
            ({"model": "m", "messages": []}, "messages"),
            ({"model": "m", "messages": user(), "max_tokens": "9"}, "max_tokens"),
            ({"model": "m", "messages": user(), "stream": 1}, "stream"),
        ],
    )
    def test_what_is_wrong_at_once_is_named(self, body: dict[str, Any], where: str) -> None:
        with pytest.raises(InvalidRequest) as raised:
            MessagesDialect().parse(json.dumps(body).encode(), request_id="r", hops=0, stream=None)

        assert raised.value.param == where


class TestToUpstreams:
    @given(blocks(), st.booleans())
    def test_a_conversation_comes_back(self, content: list[dict[str, Any]], is_error: bool) -> None:
        """Ids of calls, signatures, redacted reasoning and results survive the way through a chat."""
        content = [each for each in content if each["type"] != "text" or each["text"].strip()]
        calls = [each["id"] for each in content if each["type"] == "tool_use"]
        results = [
            {"type": "tool_result", "tool_use_id": call, "content": "r", **({"is_error": True} if is_error else {})}
            for call in calls
        ]
        turns: list[dict[str, Any]] = [
            *user(),
            *([{"role": "assistant", "content": content}] if content else []),
            {"role": "user", "content": [*results, {"type": "text", "text": "So?"}]},
        ]
        there = chat_of({"model": "m", "messages": turns})
        back = asked(there["messages"])["messages"]
        said = [turn["content"] for turn in back if turn["role"] == "assistant"]

        plain = len(content) == 1 and content[0]["type"] == "text"
        assert said == ([content[0]["text"] if plain else content] if content else [])
        if results:
            assert back[-1]["content"] == turns[-1]["content"]

    def test_the_system_prompt_and_turns_of_one_side_are_joined(self) -> None:
        found = asked(
            [
                {"role": "system", "content": "a"},
                {"role": "developer", "content": [{"type": "text", "text": "b", "cache_control": MARK}]},
                *user("one"),
                *user("two"),
            ]
        )

        assert found["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": MARK}]
        assert found["messages"] == [
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}
        ]

    def test_pictures_and_documents(self) -> None:
        parts = [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
            {"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,SGk="}},
        ]
        found = asked([{"role": "user", "content": parts}])["messages"][0]["content"]

        assert found == [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
            {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="},
                "title": "a.pdf",
            },
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "Hi"},
                "title": "a.txt",
            },
        ]

    def test_odd_ids_are_made_fit_alike(self) -> None:
        call = {"id": "call:1/é", "type": "function", "function": {"name": "f", "arguments": ""}}
        turns = [
            *user(),
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call:1/é", "content": "r"},
        ]
        found = asked(turns)["messages"]

        assert found[1]["content"] == [{"type": "tool_use", "id": "call_1__", "name": "f", "input": {}}]
        assert found[2]["content"][0]["tool_use_id"] == "call_1__"

    def test_reasoning_of_others_is_left_out(self) -> None:
        details = [
            {"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1"},
            {"type": "reasoning.text", "text": "t", "signature": "s", "format": FORMAT},
        ]
        found = asked([*user(), {"role": "assistant", "content": "a", "reasoning_details": details}, *user()])

        assert [block["type"] for block in found["messages"][1]["content"]] == ["thinking", "text"]

    @pytest.mark.parametrize(
        ("more", "made"),
        [
            ({"max_tokens": 5}, {"max_tokens": 5}),
            ({"max_completion_tokens": 6}, {"max_tokens": 6}),
            ({"temperature": 1.7, "top_p": 0.5}, {"temperature": 1.0}),
            ({"stop": "x"}, {"stop_sequences": ["x"]}),
            ({"stop": [" ", "y"]}, {"stop_sequences": ["y"]}),
            ({"user": "u"}, {"metadata": {"user_id": "u"}}),
            ({"presence_penalty": 0, "seed": 7, "n": 1, "store": True}, {}),
            ({"top_k": 4, "x_new": [1]}, {"top_k": 4, "x_new": [1]}),
            (
                {"reasoning_effort": "medium"},
                {"max_tokens": 16384, "thinking": {"type": "enabled", "budget_tokens": 8192}},
            ),
            (
                {"reasoning_effort": "high", "max_tokens": 4000, "temperature": 0.3},
                {"max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 3999}},
            ),
            ({"reasoning_effort": "high", "max_tokens": 500}, {"max_tokens": 500}),
            ({"reasoning_effort": "none"}, {}),
            ({"response_format": {"type": "text"}}, {}),
        ],
    )
    def test_fields(self, more: dict[str, Any], made: dict[str, Any]) -> None:
        found = asked(user(), **more)
        for name in ("model", "messages"):
            del found[name]

        assert found == {"max_tokens": 8192, **made}

    def test_later_models_think_as_they_see_fit(self) -> None:
        found = asked(user(), model="claude-opus-5-5", reasoning_effort="low", temperature=0.3)

        assert (found["thinking"], found["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})
        assert (found["max_tokens"], "temperature" in found) == (8192, False)

    def test_no_thinking_amid_calls_that_had_none(self) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        turns = [
            *user(),
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
        ]

        assert "thinking" not in asked(turns, reasoning_effort="high")

    @pytest.mark.parametrize(
        ("more", "made"),
        [
            ({"tool_choice": "required"}, {"type": "any"}),
            ({"tool_choice": "none"}, {"type": "none"}),
            ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
            ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
            ({}, None),
        ],
    )
    def test_choices_of_tools(self, more: dict[str, Any], made: Any) -> None:
        tool = {"type": "function", "function": {"name": "f"}}
        found = asked(user(), tools=[tool], **more)

        assert found.get("tool_choice") == made
        assert found["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]

    def test_a_tool_of_anthropic_goes_as_it_is(self) -> None:
        tool = {"type": "web_search_20250305", "name": "web_search"}

        assert asked(user(), tools=[tool])["tools"] == [tool]

    def test_forms_of_the_answer(self) -> None:
        schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}

        assert asked(user(), response_format=schema)["output_config"] == {
            "format": {"type": "json_schema", "schema": {"type": "object"}}
        }
        assert "JSON" in asked(user(), response_format={"type": "json_object"})["system"]

    @pytest.mark.parametrize(
        ("messages", "more", "where"),
        [
            (user(), {"n": 2}, "n"),
            (user(), {"logprobs": True}, "logprobs"),
            (user(), {"presence_penalty": 0.5}, "presence_penalty"),
            (user(), {"modalities": ["text", "audio"]}, "modalities"),
            (user(), {"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0]"),
            ([{"role": "user", "content": [{"type": "input_audio"}]}], {}, "messages[0].content[0]"),
            (
                [{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "[1"}}]}],
                {},
                "messages[0].tool_calls[0].function.arguments",
            ),
        ],
    )
    def test_what_cannot_be_asked_is_named(self, messages: Any, more: dict[str, Any], where: str) -> None:
        with pytest.raises(RequestError) as raised:
            asked(messages, **more)

        assert raised.value.param == where
        assert isinstance(raised.value, InvalidRequest | NotSupported)

    def test_an_answer_to_go_on_with_ends_without_spaces(self) -> None:
        found = asked([*user(), {"role": "assistant", "content": "So: \n"}])

        assert found["messages"][-1] == {"role": "assistant", "content": "So:"}


class TestEstimate:
    def test_it_grows_with_what_is_sent(self) -> None:
        small = {"messages": user("x" * 400)}
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 9_000_000}}
        large = {
            "messages": [{"role": "user", "content": [image]}],
            "tools": [{"name": "f", "input_schema": {"a": "b" * 400}}],
        }

        assert 100 <= estimate(small) <= 120
        assert 1700 <= estimate(large) <= 1800
        assert estimate({}) == 1
