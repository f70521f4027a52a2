"""Asking Bedrock: the contract, signatures, what is sent, how it fails beyond the contract."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest

from llms.config.problems import Invalid
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import (
    LlmsError,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamRejected,
    UpstreamTruncated,
)
from llms.providers.base import NeedsBytes
from llms.providers.bedrock import Options
from llms.providers.bedrock.signing import Credentials, signed
from llms.testing.contract import ProviderContract
from llms.testing.contract.setup import objects_of
from llms.testing.fake_upstream import raw
from llms.testing.plain_client import text_of
from tests.providers.bedrock_answers import (
    BedrockScripts,
    called,
    encoded,
    ended,
    made,
    refused,
    stop,
    streamed,
    text,
    thought,
    whole,
)

SIGNING = {"api_key": None, "access_key_id": "AKIDEXAMPLE", "secret_access_key": "planted-secret-key"}


class TestWithAKey(BedrockScripts, ProviderContract):
    pass


class TestWithASignature(BedrockScripts, ProviderContract):
    row = SIGNING
    has_key = False


class TestSigning:
    def test_the_example_of_aws_s_test_suite(self) -> None:
        """`get-vanilla` of the "AWS Signature Version 4 test suite"."""
        at = datetime.datetime(2015, 8, 30, 12, 36, tzinfo=datetime.UTC).timestamp()
        secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
        credentials = Credentials("AKIDEXAMPLE", secret, "", "us-east-1", "service")

        assert signed(credentials, method="GET", host="example.amazonaws.com", path="/", body=b"", now=at) == {
            "x-amz-date": "20150830T123600Z",
            "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        }

    async def test_each_request_is_signed_as_it_is_sent(self) -> None:
        setup = made(**SIGNING, session_token="planted-session")
        async with setup.ready() as (provider, upstream):
            setup.script_text(upstream, "Hi")
            model = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude:0"
            request = ChatRequest({"messages": [{"role": "user", "content": "q"}]}, model, hops=1)
            assert [chunk async for chunk in provider.chat(request)]
            (seen,) = upstream.chats

        token = "planted-session"
        credentials = Credentials("AKIDEXAMPLE", "planted-secret-key", token, "us-east-1", "bedrock")
        moment = datetime.datetime.strptime(seen.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
        again = signed(
            credentials,
            method="POST",
            host=seen.headers["host"],
            path=seen.path,
            body=seen.body,
            now=moment.timestamp(),
        )
        assert seen.headers["authorization"] == again["authorization"]
        assert (seen.headers["x-amz-security-token"], seen.headers["x-llms-hops"]) == (token, "2")
        assert re.fullmatch(r"/model/arn%3Aaws%3A[^/]*%2Fus\.anthropic\.claude%3A0/converse-stream", seen.path)

    async def test_a_key_is_a_bearer_token_and_nothing_is_signed(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            setup.script_text(upstream, "Hi")
            await setup.ask(provider)

            assert upstream.chats[0].headers["authorization"] == f"Bearer {setup.key}"
            assert "x-amz-date" not in upstream.chats[0].headers

    @pytest.mark.parametrize("stream", [True, False])
    async def test_secrets_are_in_no_error(self, stream: bool) -> None:
        setup = made(**SIGNING, session_token="planted-session")
        async with setup.ready() as (provider, upstream):
            upstream.script(refused(400, "bad planted-secret-key and planted-session"))
            error, _ = await setup.fail(provider, stream=stream)

        assert "planted" not in error.message


class TestAnswers:
    async def test_thoughts_are_given_back_with_their_signature(self) -> None:
        setup = made()
        hidden = "aGlkZGVu"
        async with setup.ready() as (provider, upstream):
            upstream.script(
                streamed(
                    thought("hm "), thought("so"), thought("sig", name="signature"), stop(),
                    thought(hidden, 1, name="redactedContent"), stop(1),
                    text("Hi", 2), stop(2), *ended(),
                )
            )  # fmt: skip
            message = setup.fold(await setup.ask(provider))["choices"][0]["message"]
            setup.script_text(upstream, "again")
            history = [{"role": "user", "content": "q"}, message, {"role": "user", "content": "and?"}]
            await setup.ask(provider, more={"messages": history})
            (_, sent, _) = upstream.chats[1].json["messages"]

        assert (message["reasoning_content"], message["content"]) == ("hm so", "Hi")
        assert message["reasoning_details"] == [
            {
                "type": "reasoning.text",
                "text": "hm so",
                "signature": "sig",
                "format": "anthropic-claude-v1",
                "index": 0,
            },
            {"type": "reasoning.encrypted", "data": hidden, "format": "amazon-bedrock-v1", "index": 1},
        ]
        assert sent["content"] == [
            {"reasoningContent": {"reasoningText": {"text": "hm so", "signature": "sig"}}},
            {"reasoningContent": {"redactedContent": hidden}},
            {"text": "Hi"},
        ]

    async def test_the_request_id_names_the_answer(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            setup.script_text(upstream, "Hi")
            chunks = await setup.ask(provider)

        assert {item["id"] for item in objects_of(chunks)} == {"chatcmpl-aws-1"}
        assert chunks[0].upstream_request_id == "aws-1"

    @pytest.mark.parametrize(
        ("reason", "finish"),
        [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("guardrail_intervened", "content_filter"),
            ("content_filtered", "content_filter"),
            ("malformed_tool_use", "stop"),
        ],
    )
    @pytest.mark.parametrize("stream", [True, False])
    async def test_finish_reasons_are_openai_s(self, reason: str, finish: str, stream: bool) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(streamed(text("A"), *ended(reason)) if stream else whole({"text": "A"}, reason=reason))
            (choice,) = setup.fold(await setup.ask(provider, stream=stream))["choices"]

        assert choice["finish_reason"] == finish
        assert choice.get("native_finish_reason") == ("malformed_tool_use" if "malformed" in reason else None)

    async def test_usage_tells_what_was_cached(self) -> None:
        usage = {
            "inputTokens": 5,
            "outputTokens": 2,
            "totalTokens": 17,
            "cacheReadInputTokens": 4,
            "cacheWriteInputTokens": 6,
        }
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(streamed(text("A"), ended()[0], ("metadata", {"usage": usage})))
            told = setup.fold(await setup.ask(provider))["usage"]

        assert told == {
            "prompt_tokens": 15,
            "completion_tokens": 2,
            "total_tokens": 17,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 6},
        }


class TestFailures:
    @pytest.mark.parametrize(
        ("kind", "status", "error"),
        [
            ("throttlingException", 429, UpstreamOverloaded),
            ("serviceUnavailableException", 503, UpstreamOverloaded),
            ("modelStreamErrorException", 502, UpstreamError),
            ("validationException", 400, UpstreamRejected),
            ("somethingNewException", 502, UpstreamError),
        ],
    )
    async def test_an_exception_in_a_stream_keeps_what_came_before(
        self, kind: str, status: int, error: type[LlmsError]
    ) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(streamed(text("A")).then(raw(encoded(kind, {"message": "words"}, message="exception"))))
            failure, before = await setup.fail(provider)

        assert text_of(objects_of(before)) == "A"
        assert isinstance(failure, error)
        assert (failure.http_status, "words" in failure.message) == (status, True)

    @pytest.mark.parametrize(
        ("status", "kind", "error", "kept"),
        [
            (403, "UnrecognizedClientException", UpstreamAuthenticationFailed, 502),
            (403, "ExpiredTokenException", UpstreamAuthenticationFailed, 502),
            (403, "AccessDeniedException", UpstreamRejected, 403),
            (404, "ResourceNotFoundException", UpstreamRejected, 404),
            (424, "ModelErrorException", UpstreamError, 502),
            (429, "ThrottlingException", UpstreamOverloaded, 429),
        ],
    )
    async def test_refusals_are_told_apart_by_their_kind(
        self, status: int, kind: str, error: type[LlmsError], kept: int
    ) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(refused(status, "words", kind=kind))
            failure, _ = await setup.fail(provider)

        assert isinstance(failure, error)
        assert failure.http_status == kept

    async def test_bytes_that_are_no_frames_end_the_stream(self) -> None:
        setup = made()
        async with setup.ready() as (provider, upstream):
            for broken, kind in (
                (b"this is not a frame at all", UpstreamProtocolError),
                (encoded(*text("B"))[:-1] + b"\0", UpstreamProtocolError),
                (encoded(*text("B"))[:20], UpstreamTruncated),
            ):
                upstream.script(streamed(text("A")).then(raw(broken)))
                failure, before = await setup.fail(provider)
                assert text_of(objects_of(before)) == "A"
                assert isinstance(failure, kind), repr(failure)

    @pytest.mark.parametrize("stream", [True, False])
    async def test_a_model_that_fails_before_it_answers_is_an_error(self, stream: bool) -> None:
        setup = made()
        reason = "malformed_model_output"
        async with setup.ready() as (provider, upstream):
            upstream.script(streamed(*ended(reason)) if stream else whole(reason=reason))
            failure, before = await setup.fail(provider, stream=stream)

        assert before == []
        assert isinstance(failure, UpstreamError)
        assert reason in failure.message

    async def test_arguments_of_several_calls_do_not_mix(self) -> None:
        one, other = called("a", '{"x": 1}', at=1, call_id="c1"), called("b", '{"y": 2}', at=2, call_id="c2")
        mixed = [event for pair in zip(one, other, strict=True) for event in pair]
        setup = made()
        async with setup.ready() as (provider, upstream):
            upstream.script(streamed(text("Well"), stop(), *mixed, *ended("tool_use")))
            (choice,) = setup.fold(await setup.ask(provider))["choices"]

        assert [(held["id"], held["function"]["arguments"]) for held in choice["message"]["tool_calls"]] == [
            ("c1", '{"x": 1}'),
            ("c2", '{"y": 2}'),
        ]


class TestTheRow:
    async def test_wants_bytes_instead_of_links(self) -> None:
        setup = made()
        async with setup.ready() as (provider, _):
            assert isinstance(provider, NeedsBytes)
            assert provider.needs_bytes("any")

    async def test_lists_what_it_names(self) -> None:
        setup = made(models=("a", "b"))
        async with setup.ready() as (provider, upstream):
            assert [model.id for model in await provider.models()] == ["a", "b"]
            assert upstream.requests == []

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ({"region": "us-east-1"}, "needs either"),
            ({"region": "us-east-1", "api_key": "k", "access_key_id": "a", "secret_access_key": "b"}, "needs either"),
            ({"region": "us-east-1", "access_key_id": "a"}, "needs both"),
            ({"region": "evil.example.com/", "api_key": "k"}, "region"),
            ({"api_key": "k"}, "region"),
            ({"region": "r", "api_key": "k\nx"}, "no key may hold"),
            ({"region": "r", "access_key_id": "k\r\n", "secret_access_key": "b"}, "no key may hold"),
        ],
    )
    def test_mistakes_are_told(self, row: dict[str, Any], words: str) -> None:
        with pytest.raises(Invalid, match=words):
            Options(**row)
