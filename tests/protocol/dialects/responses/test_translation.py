"""A request for a response as a chat."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms.protocol.dialects.responses.opaque import Thought, seal
from llms.protocol.dialects.responses.translation import translate
from llms.protocol.errors import InvalidRequest
from tests.protocol.dialects.responses.asking import asked, chat_of, messages

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "42"}
FUNCTION = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
DETAIL = {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "anthropic-claude-v1", "index": 0}


def user(*parts: Any) -> Any:
    return {"role": "user", "content": list(parts)}


class TestMessages:
    def test_a_text_is_one_of_the_user_after_the_instructions(self) -> None:
        assert chat_of(input="hi", instructions="Be brief.").body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "hi"},
        ]

    def test_parts_become_those_of_a_chat(self) -> None:
        [message] = messages(
            user(
                {"type": "input_text", "text": "look", "cache_control": {"type": "ephemeral"}},
                {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            )
        )

        assert message["content"] == [
            {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
        ]

    def test_the_developer_is_the_system_and_joins_it_at_the_start(self) -> None:
        found = messages(
            {"role": "developer", "content": "Two."},
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": "Three."},
            instructions="One.",
        )

        assert [(one["role"], one["content"]) for one in found] == [
            ("system", "One.\n\nTwo."),
            ("user", "hi"),
            ("system", "Three."),
        ]

    def test_one_turn_of_the_assistant_is_one_message(self) -> None:
        said = {"role": "assistant", "content": [{"type": "output_text", "text": "So:"}]}
        thought = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
        second = {**CALL, "call_id": "c2"}
        found = messages(
            {"role": "user", "content": "hi"}, thought, said, CALL, second, OUTPUT, {**OUTPUT, "call_id": "c2"}
        )

        assert [one["role"] for one in found] == ["user", "assistant", "tool", "tool"]
        assert found[1]["reasoning_content"] == "Hm."
        assert found[1]["content"] == "So:"
        assert [call["id"] for call in found[1]["tool_calls"]] == ["c1", "c2"]
        assert found[2] == {"role": "tool", "tool_call_id": "c1", "content": "42"}

    def test_calls_that_follow_an_output_are_another_turn(self) -> None:
        found = messages(CALL, OUTPUT, {**CALL, "call_id": "c2"}, {**OUTPUT, "call_id": "c2"})

        assert [one["role"] for one in found] == ["assistant", "tool", "assistant", "tool"]

    def test_the_output_of_a_tool_may_have_parts(self) -> None:
        parts = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "https://a.example/b.png"}]
        found = messages(CALL, {**OUTPUT, "output": parts})[1]

        assert found["content"] == [
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        ]

    def test_a_custom_call_is_one_of_a_function_with_one_text(self) -> None:
        call = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": '*** "x"'}
        found = messages(call, {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"})

        assert json.loads(found[0]["tool_calls"][0]["function"]["arguments"]) == {"input": '*** "x"'}

    def test_a_refusal_stays_one(self) -> None:
        [message] = messages({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]})

        assert message == {"role": "assistant", "content": "", "refusal": "No."}

    def test_what_the_model_left_comes_back_to_it(self) -> None:
        sealed = seal(Thought("Hm.", [DETAIL]))
        item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}
        found = messages(item, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "more"})

        assert found[0] == {
            "role": "assistant",
            "content": "Yes.",
            "reasoning_content": "Hm.",
            "reasoning_details": [DETAIL],
        }

    def test_what_openai_left_goes_out_in_its_form(self) -> None:
        item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA"}
        found = messages(item, CALL, OUTPUT)[0]

        assert found["reasoning_details"] == [
            {"type": "reasoning.encrypted", "data": "gAAAA", "format": "openai-responses-v1", "index": 0, "id": "rs_1"}
        ]
        assert seal(Thought("", found["reasoning_details"])) == "gAAAA"

    def test_what_came_before_stands_before(self) -> None:
        before = asked(input="first").items[0]

        assert [one["content"] for one in chat_of(before, input="second").body["messages"]] == ["first", "second"]


class TestFields:
    def test_they_have_their_names_in_a_chat(self) -> None:
        body = chat_of(
            max_output_tokens=50,
            temperature=0.5,
            top_p=0.9,
            reasoning={"effort": "high", "summary": "auto"},
            text={
                "verbosity": "low",
                "format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True},
            },
            include=["message.output_text.logprobs"],
            top_logprobs=3,
            parallel_tool_calls=False,
            tools=[FUNCTION],
            user="u",
            prompt_cache_key="k",
            metadata={"a": "b"},
            store=False,
            truncation="auto",
            max_tool_calls=3,
            x_new={"kept": [1]},
        ).body
        del body["messages"]

        assert body == {
            "model": "m",
            "max_tokens": 50,
            "temperature": 0.5,
            "top_p": 0.9,
            "reasoning_effort": "high",
            "verbosity": "low",
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "n", "schema": {"a": 1}, "strict": True},
            },
            "logprobs": True,
            "top_logprobs": 3,
            "parallel_tool_calls": False,
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "description": "d",
                        "parameters": {"type": "object"},
                        "strict": True,
                    },
                }
            ],
            "user": "u",
            "prompt_cache_key": "k",
            "x_new": {"kept": [1]},
        }

    def test_nulls_are_nothing(self) -> None:
        assert chat_of(temperature=None, tools=None, text=None, previous_response_id=None).body.keys() == {
            "model",
            "messages",
        }

    def test_a_custom_tool_is_a_function_that_is_told_its_grammar(self) -> None:
        grammar = {"type": "grammar", "syntax": "lark", "definition": "start: X"}
        [tool] = chat_of(tools=[{"type": "custom", "name": "patch", "description": "Edit.", "format": grammar}]).body[
            "tools"
        ]

        function = tool["function"]
        assert function["parameters"]["required"] == ["input"]
        assert "Edit." in function["description"]
        assert "lark" in function["description"]
        assert "start: X" in function["description"]

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            ("required", "required"),
            ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        ],
    )
    def test_the_choice_of_a_tool(self, choice: Any, expected: Any) -> None:
        assert chat_of(tools=[FUNCTION], tool_choice=choice).body["tool_choice"] == expected

    def test_of_allowed_tools_the_others_are_left_out(self) -> None:
        choice = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
        body = chat_of(tools=[FUNCTION, {**FUNCTION, "name": "g"}], tool_choice=choice).body

        assert [tool["function"]["name"] for tool in body["tools"]] == ["g"]
        assert body["tool_choice"] == "required"


class TestOnlyForOthers:
    @pytest.mark.parametrize(
        "kind",
        [
            "web_search",
            "file_search",
            "code_interpreter",
            "computer_use_preview",
            "mcp",
            "image_generation",
            "local_shell",
        ],
    )
    def test_a_tool_that_openai_runs_is_named(self, kind: str) -> None:
        found = translate(asked(tools=[FUNCTION, {"type": kind}]))

        assert found.obstacle is not None
        assert f"'{kind}'" in found.obstacle.message
        assert (found.obstacle.param, found.obstacle.http_status) == ("tools[1].type", 400)

    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"conversation": "conv_1"}, "conversation"),
            ({"prompt": {"id": "p"}}, "prompt"),
            ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, "input[0]"),
            ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
            ({"input": [user({"type": "input_image", "file_id": "file_1"})]}, "input[0].content[0]"),
            ({"input": [user({"type": "input_file", "file_url": "https://a.example"})]}, "input[0].content[0]"),
            ({"tools": [FUNCTION], "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ],
    )
    def test_what_a_chat_cannot_say_is_named(self, fields: Any, param: str) -> None:
        obstacle = translate(asked(**fields)).obstacle

        assert obstacle is not None
        assert obstacle.param == param

    def test_the_original_keeps_every_field(self) -> None:
        fields = {"input": [{"type": "new_kind", "x": 1}], "tools": [{"type": "mcp"}], "x_new": 1, "background": True}
        original = translate(asked(**fields)).request.original

        assert original is not None
        assert original.dialect == "responses"
        assert original.body == {"model": "m", **fields}

    def test_the_original_holds_a_conversation_that_only_we_know(self) -> None:
        ours = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal(Thought("Hm."))}
        before = [*asked(input="first").items, ours]
        original = translate(asked(input="second", previous_response_id="resp_1"), before).request.original

        assert original is not None
        assert "previous_response_id" not in original.body
        assert [item["content"][0]["text"] for item in original.body["input"]] == ["first", "second"]
        assert not [item for item in original.body["input"] if "id" in item]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": "a\nb"}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{}]}, "input[0]"),
        ({"input": [{"role": "nobody", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [user({"type": "input_text"})]}, "input[0].content[0].text"),
        ({"input": [user({"type": "input_image"})]}, "input[0].content[0].image_url"),
        ({"input": [user({"type": "sound"})]}, "input[0].content[0].type"),
        ({"input": [user("x")]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": "x", "id": 5}]}, "input[0].id"),
        ({"input": [OUTPUT]}, "input[0].call_id"),
        ({"input": [{**CALL, "arguments": {}}]}, "input[0].arguments"),
        ({"input": [{**CALL, "name": None}]}, "input[0].name"),
        ({"input": [CALL, {**OUTPUT, "output": 5}]}, "input[1].output"),
        ({"instructions": 5}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": 1.5}, "max_output_tokens"),
        ({"top_logprobs": -1}, "top_logprobs"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{**FUNCTION, "parameters": []}]}, "tools[0].parameters"),
        ({"tools": [FUNCTION], "tool_choice": "maybe"}, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice.name"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "tools": 5}}, "tool_choice.tools"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
        ({"text": {"format": "json"}}, "text.format.type"),
        ({"reasoning": {"effort": 5}}, "reasoning.effort"),
        ({"background": True, "store": False}, "background"),
        ({"previous_response_id": "a", "conversation": "b"}, "conversation"),
    ],
)
def test_a_wrong_field_is_named(fields: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat_of(**fields)

    assert caught.value.param == param


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'{"model":', b"\xff"])
def test_a_body_that_is_no_object_is_refused(raw: bytes) -> None:
    from llms.protocol.dialects.responses.asked import read

    with pytest.raises(InvalidRequest):
        read(raw, response_id="resp_1")
