"""Chats as Gemini's requests: the shapes are those of "Generating content" and the pages named at each part."""

from __future__ import annotations

from typing import Any

import pytest

from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.gemini import generate_content, resource
from llms.protocol.dialects.gemini.schema import cleaned
from llms.protocol.errors import InvalidRequest

PNG = "data:image/png;base64,aGk="
PDF = "data:application/pdf;base64,aGk="
FILES = "https://generativelanguage.googleapis.com/v1beta/files"
IMAGE = {"type": "image_url", "image_url": PNG}
USER = {"role": "user", "content": "Hi"}


def sent(messages: list[dict[str, Any]] | None = None, *, model: str = "gemini-3-flash", **fields: Any) -> Any:
    body = {"model": model, "messages": messages or [USER], **fields}
    return generate_content(ChatRequest(body, model), signature_of={"known": "kept"}.get)


def refusal(messages: list[dict[str, Any]] | None = None, **fields: Any) -> tuple[str | None, str]:
    with pytest.raises(InvalidRequest) as caught:
        sent(messages, **fields)
    return caught.value.param, caught.value.message


def call(call_id: str, name: str = "look", arguments: str = '{"at": 1}', **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def calling(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [*calls]}


def result(call_id: str, content: Any = "seen", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **more}


class TestMessages:
    def test_a_question_is_one_content_and_nothing_else(self) -> None:
        assert sent() == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}

    def test_system_messages_become_the_instruction_wherever_they_stand(self) -> None:
        body = sent([{"role": "system", "content": "A"}, USER, {"role": "developer", "content": [_text("B")]}])

        assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
        assert [each["role"] for each in body["contents"]] == ["user"]

    def test_the_model_is_the_assistant_and_empty_turns_are_left_out(self) -> None:
        body = sent([USER, {"role": "assistant", "content": "Ho"}, {"role": "assistant", "content": ""}, USER])

        assert [(each["role"], each["parts"][0]["text"]) for each in body["contents"]] == [
            ("user", "Hi"),
            ("model", "Ho"),
            ("user", "Hi"),
        ]

    @pytest.mark.parametrize(
        ("messages", "field"),
        [
            ([{"role": "system", "content": "A"}], "messages"),
            ([{"role": "wizard", "content": "A"}], "messages[0].role"),
            ([USER, {"role": "system", "content": [IMAGE]}], "messages[1].content[0]"),
            ([USER, calling(call("a", arguments="[1]"))], "messages[1].tool_calls[0].function.arguments"),
            ([USER, calling(call("a", arguments="{"))], "messages[1].tool_calls[0].function.arguments"),
            ([USER, calling({"type": "custom", "custom": {}})], "messages[1].tool_calls[0]"),
            ([USER, result("never called")], "messages[1].tool_call_id"),
        ],
    )
    def test_what_cannot_be_said_is_refused_by_its_place(self, messages: list[dict[str, Any]], field: str) -> None:
        assert refusal(messages)[0] == field


class TestToolResults:
    """Page "Function calling"."""

    def test_are_matched_by_name_through_the_call_and_stand_together(self) -> None:
        calls = {"role": "assistant", "content": None, "tool_calls": [call("a", "look"), call("b", "hear", "")]}
        body = sent([USER, calls, result("b", "noise"), result("a", [_text("li"), _text("ght")]), USER])

        assert [each["role"] for each in body["contents"]] == ["user", "model", "user", "user"]
        assert [part["functionCall"] for part in body["contents"][1]["parts"]] == [
            {"id": "a", "name": "look", "args": {"at": 1}},
            {"id": "b", "name": "hear", "args": {}},
        ]
        assert [part["functionResponse"] for part in body["contents"][2]["parts"]] == [
            {"id": "b", "name": "hear", "response": {"output": "noise"}},
            {"id": "a", "name": "look", "response": {"output": "light"}},
        ]

    def test_that_are_errors_say_so(self) -> None:
        body = sent([USER, {"role": "assistant", "tool_calls": [call("a")]}, result("a", "dark", is_error=True)])

        assert body["contents"][-1]["parts"][0]["functionResponse"]["response"] == {"error": "dark"}

    @pytest.mark.parametrize("model", ["gemini-3-flash", "gemini-2.5-flash"])
    def test_may_hold_images_in_the_place_that_the_generation_has_for_them(self, model: str) -> None:
        content = [_text("see"), {"type": "image_url", "image_url": {"url": PNG}}]
        parts = sent([USER, {"role": "assistant", "tool_calls": [call("a")]}, result("a", content)], model=model)[
            "contents"
        ][-1]["parts"]
        inline = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}

        assert parts[0]["functionResponse"].get("parts") == ([inline] if "3" in model else None)
        assert parts[1:] == ([] if "3" in model else [inline])


class TestSignatures:
    """Page "Thought signatures"."""

    def test_of_a_call_are_those_that_the_client_brings_back_or_that_are_remembered(self) -> None:
        carried = call("a", extra_content={"google": {"thought_signature": "brought"}})
        parts = sent([USER, {"role": "assistant", "tool_calls": [carried, call("known")]}])["contents"][1]["parts"]

        assert [part["thoughtSignature"] for part in parts] == ["brought", "kept"]

    @pytest.mark.parametrize(
        ("model", "signed"), [("gemini-3-pro", True), ("gemini-flash-latest", True), ("gemini-2.5-pro", False)]
    )
    def test_that_are_lost_are_said_to_be_where_they_are_demanded(self, model: str, signed: bool) -> None:
        calls = [call("a"), call("b")]
        parts = sent([USER, {"role": "assistant", "tool_calls": calls}], model=model)["contents"][1]["parts"]

        assert parts[0].get("thoughtSignature") == ("skip_thought_signature_validator" if signed else None)
        assert "thoughtSignature" not in parts[1]

    def test_of_a_text_come_back_on_it_and_foreign_details_do_not(self) -> None:
        details = [
            {"type": "reasoning.text", "text": "x", "signature": "foreign", "format": "anthropic-claude-v1"},
            {"type": "reasoning.encrypted", "data": "mine", "format": "google-gemini-v1", "index": 0},
        ]
        said = {"role": "assistant", "content": "Ho", "reasoning_content": "thoughts", "reasoning_details": details}

        assert sent([USER, said])["contents"][1]["parts"] == [{"text": "Ho", "thoughtSignature": "mine"}]
        assert sent([USER, {**said, "content": ""}])["contents"][1]["parts"] == [
            {"text": "", "thoughtSignature": "mine"}
        ]


class TestMedia:
    """Page "File input methods"."""

    @pytest.mark.parametrize(
        ("part", "wanted"),
        [
            ({"type": "image_url", "image_url": {"url": PNG}}, ("inlineData", "image/png")),
            ({"type": "image_url", "image_url": PNG}, ("inlineData", "image/png")),
            ({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}, ("inlineData", "audio/wav")),
            ({"type": "file", "file": {"filename": "a", "file_data": PDF}}, ("inlineData", "application/pdf")),
            ({"type": "image_url", "image_url": {"url": "https://host/a/b.JPG?x=1.png"}}, ("fileData", "image/jpeg")),
            ({"type": "video_url", "video_url": {"url": "https://youtu.be/abc"}}, ("fileData", None)),
            ({"type": "file", "file": {"file_id": f"{FILES}/f"}}, ("fileData", None)),
            ({"type": "file", "file": {"file_data": "gs://bucket/a.pdf"}}, ("fileData", "application/pdf")),
        ],
    )  # fmt: skip
    def test_every_kind_becomes_bytes_or_a_link_for_google(self, part: Any, wanted: tuple[str, str | None]) -> None:
        (found,) = sent([{"role": "user", "content": [part]}])["contents"][0]["parts"]

        assert (next(iter(found)), found[wanted[0]].get("mimeType")) == wanted

    @pytest.mark.parametrize(
        ("part", "field"),
        [
            ({"type": "image_url", "image_url": {"url": "http://10.0.0.1/x.png"}}, "image_url.url"),
            ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "image_url.url"),
            ({"type": "image_url", "image_url": {"url": "data:image/png,raw"}}, "image_url.url"),
            ({"type": "image_url", "image_url": {"url": "data:;base64,aGk="}}, "image_url.url"),
            ({"type": "file", "file": {"file_id": "file-123"}}, "file.file_id"),
            ({"type": "file", "file": {}}, "file.file_id"),
            ({"type": "input_audio", "input_audio": {"data": "aGk="}}, "input_audio"),
            ({"type": "hologram"}, "type"),
        ],
    )
    def test_what_google_cannot_take_is_refused_by_its_place(self, part: Any, field: str) -> None:
        param, message = refusal([{"role": "user", "content": [_text("see"), part]}])

        assert param == f"messages[0].content[1].{field}"
        assert param in message
        assert len(message) < 300


class TestSettings:
    def test_each_has_its_name(self) -> None:
        body = sent(
            temperature=0, top_p=0.5, top_k=4, max_tokens=9, n=2, seed=3, presence_penalty=1, frequency_penalty=-1,
            logprobs=True, top_logprobs=5, stop="END", modalities=["text", "image"],
        )  # fmt: skip

        assert body["generationConfig"] == {
            "temperature": 0, "topP": 0.5, "topK": 4, "maxOutputTokens": 9, "candidateCount": 2, "seed": 3,
            "presencePenalty": 1, "frequencyPenalty": -1, "responseLogprobs": True, "logprobs": 5,
            "stopSequences": ["END"], "responseModalities": ["TEXT", "IMAGE"],
        }  # fmt: skip

    def test_the_newer_name_of_the_token_limit_counts(self) -> None:
        assert sent(max_completion_tokens=5, max_tokens=9)["generationConfig"] == {"maxOutputTokens": 5}

    def test_what_nobody_set_is_not_sent(self) -> None:
        fields = {"temperature": None, "stop": None, "tools": None, "tool_choice": None, "response_format": None}
        assert set(sent(**fields, stream_options={"include_usage": True}, user="u")) == {"contents"}

    @pytest.mark.parametrize("field", ["logit_bias", "functions", "function_call", "audio"])
    def test_what_would_change_the_answer_and_cannot_be_honoured_is_refused(self, field: str) -> None:
        param, message = refusal(**{field: {"1": 2}})

        assert param == field
        assert "gemini-3-flash" in message

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({"type": "text"}, None),
            ({"type": "json_object"}, {"responseMimeType": "application/json"}),
            (
                {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
                {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
            ),
        ],
    )
    def test_structured_answers(self, wanted: Any, found: Any) -> None:
        assert sent(response_format=wanted).get("generationConfig") == found

    @pytest.mark.parametrize(
        "wanted", [{"type": "grammar"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"schema": 1}}]
    )
    def test_formats_that_are_none_are_refused(self, wanted: Any) -> None:
        assert str(refusal(response_format=wanted)[0]).startswith("response_format")

    def test_what_is_for_gemini_alone_goes_in_as_it_is(self) -> None:
        own = {"cached_content": "cachedContents/c", "tools": [{"google_search": {}}], "safety_settings": []}
        body = sent(extra_body={"google": own})

        assert (body["cached_content"], body["tools"], body["safety_settings"]) == (
            "cachedContents/c",
            own["tools"],
            [],
        )

    def test_a_search_of_the_web_is_google_s(self) -> None:
        assert sent(web_search_options={})["tools"] == [{"googleSearch": {}}]

    @pytest.mark.parametrize("given", [5, "text", ["audio"], [["text"]]])
    def test_modalities_that_gemini_does_not_answer_in_are_refused(self, given: Any) -> None:
        assert refusal(modalities=given)[0] == "modalities"

    @pytest.mark.parametrize("own", [1, {"google": []}, {"google": {"tools": 5}}, {"google": {"tools": {"a": 1}}}])
    def test_what_is_for_gemini_alone_must_be_an_object(self, own: Any) -> None:
        assert str(refusal(extra_body=own)[0]).startswith("extra_body")


class TestThinking:
    """The tables of page "OpenAI compatibility"."""

    @pytest.mark.parametrize(
        ("model", "effort", "wanted"),
        [
            ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "MINIMAL"}),
            ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "LOW"}),
            ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "MEDIUM"}),
            ("gemini-flash-latest", "high", {"thinkingLevel": "HIGH"}),
            ("gemini-3-flash", "xhigh", {"thinkingLevel": "HIGH"}),
            ("gemini-2.5-flash", "minimal", {"thinkingBudget": 1024}),
            ("models/gemini-2.5-pro", "low", {"thinkingBudget": 1024}),
            ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192}),
            ("gemini-2.5-flash", "high", {"thinkingBudget": 24576}),
        ],
    )
    def test_an_effort_is_a_level_or_a_budget_and_shows_thoughts(self, model: str, effort: str, wanted: Any) -> None:
        config = sent(model=model, reasoning_effort=effort)["generationConfig"]["thinkingConfig"]

        assert config == {**wanted, "includeThoughts": True}

    def test_none_turns_thinking_off_where_that_can_be(self) -> None:
        config = sent(model="gemini-2.5-flash", reasoning_effort="none")["generationConfig"]

        assert config == {"thinkingConfig": {"thinkingBudget": 0}}
        assert "always thinks" in refusal(reasoning_effort="none")[1]

    @pytest.mark.parametrize("model", ["gemini-3-flash", "gemini-2.5-flash"])
    def test_other_words_are_refused(self, model: str) -> None:
        assert refusal(model=model, reasoning_effort="frantic")[0] == "reasoning_effort"

    def test_gemini_s_own_words_count_alone(self) -> None:
        own = {"google": {"thinking_config": {"thinking_budget": 5, "include_thoughts": True}}}

        assert sent(extra_body=own)["generationConfig"]["thinkingConfig"] == own["google"]["thinking_config"]
        assert refusal(extra_body=own, reasoning_effort="low")[0] == "reasoning_effort"


class TestTools:
    """Page "Function calling"."""

    TOOLS = ({"type": "function", "function": {"name": "look", "description": "d", "parameters": {"type": "object"}}},)

    def test_are_declared_with_their_json_schema(self) -> None:
        bare = {"type": "function", "function": {"name": "now", "parameters": {}}}

        assert sent(tools=[*self.TOOLS, bare])["tools"] == [
            {
                "functionDeclarations": [
                    {"name": "look", "description": "d", "parametersJsonSchema": {"type": "object"}},
                    {"name": "now"},
                ]
            }
        ]

    @pytest.mark.parametrize(
        ("choice", "wanted"),
        [
            ("auto", {"mode": "AUTO"}),
            ("none", {"mode": "NONE"}),
            ("required", {"mode": "ANY"}),
            ({"type": "function", "function": {"name": "look"}}, {"mode": "ANY", "allowedFunctionNames": ["look"]}),
            (
                {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOLS[0]]}},
                {"mode": "VALIDATED", "allowedFunctionNames": ["look"]},
            ),
            (
                {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOLS[0]]}},
                {"mode": "ANY", "allowedFunctionNames": ["look"]},
            ),
        ],
    )
    def test_the_choice_is_a_mode(self, choice: Any, wanted: Any) -> None:
        assert sent(tools=self.TOOLS, tool_choice=choice)["toolConfig"] == {"functionCallingConfig": wanted}
        assert "toolConfig" not in sent(tool_choice=choice)

    @pytest.mark.parametrize("choice", ["maybe", {"type": "function"}, {"type": "magic"}, {"type": "allowed_tools"}])
    def test_a_choice_that_is_none_is_refused(self, choice: Any) -> None:
        assert refusal(tools=self.TOOLS, tool_choice=choice)[0] == "tool_choice"

    def test_a_tool_that_is_no_function_is_refused(self) -> None:
        assert refusal(tools=[*self.TOOLS, {"type": "web_search"}])[0] == "tools[1].type"


class TestSchemas:
    """The keywords of page "Structured outputs"."""

    def test_say_the_same_in_words_that_count(self) -> None:
        assert cleaned(
            {
                "type": "object",
                "properties": {
                    "const": {"const": "a", "description": "a property of this name"},
                    "$ref": {"type": "string"},
                    "one": {"$ref": "#/definitions/One", "description": "d", "default": 1},
                    "all": {"allOf": [{"$ref": "#/$defs/One"}], "title": "t"},
                    "many": {"type": "array", "items": {"allOf": [{"type": "string"}], "description": "d"}},
                    "yes": {"const": True},
                },
                "definitions": {"One": {"anyOf": [{"const": 1}, {"type": "null"}]}},
            }
        ) == {
            "type": "object",
            "properties": {
                "const": {"enum": ["a"], "description": "a property of this name"},
                "$ref": {"type": "string"},
                "one": {"$ref": "#/$defs/One"},
                "all": {"$ref": "#/$defs/One"},
                "many": {"type": "array", "items": {"type": "string", "description": "d"}},
                "yes": {"const": True},
            },
            "$defs": {"One": {"anyOf": [{"enum": [1]}, {"type": "null"}]}},
        }

    def test_leave_what_they_were_given_as_it_was(self) -> None:
        given = {"properties": {"a": {"const": 1}}, "additionalProperties": False}

        assert cleaned(given) == {"properties": {"a": {"enum": [1]}}, "additionalProperties": False}
        assert given == {"properties": {"a": {"const": 1}}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("model", "path"),
    [("gemini-3-pro", "models/gemini-3-pro"), ("models/x", "models/x"), ("tunedModels/mine", "tunedModels/mine")],
)
def test_a_model_has_its_path(model: str, path: str) -> None:
    assert resource(model) == path


@pytest.mark.parametrize("model", ["..", "../files", "a/../../b", "a//b", "models/", "a/"])
def test_an_id_that_would_lead_elsewhere_is_refused(model: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        resource(model)
    assert caught.value.param == "model"


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}
