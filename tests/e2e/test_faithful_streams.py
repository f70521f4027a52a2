"""What an upstream says reaches the client, what a client asks the upstream: no byte is changed without need."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms.testing.answers import Answer, chunk
from llms.testing.fake_upstream import FakeUpstream, answer, body, error, event, raw, text_stream
from llms.testing.plain_client import calls_of, check_stream, finishes_of, reasoning_of, text_of
from llms.testing.seen import Seen
from llms.testing.transcripts import TRANSCRIPTS
from tests.proxy import Proxy, Reply, ask, chat, one_upstream, serving

ASKED: dict[str, Any] = {"stream_options": {"include_usage": True}}
USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 4,
    "total_tokens": 13,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "accepted_prediction_tokens": 1},
    "cost": 4.20e-6,
    "x_tier": {"name": "gold"},
}


async def relay(scripted: Answer, *, row: str = "", **fields: Any) -> tuple[Reply, Proxy, FakeUpstream]:
    """Answer one chat through the proxy."""
    async with FakeUpstream() as upstream:
        upstream.script(scripted)
        async with serving(one_upstream(upstream, row=row)) as proxy:
            reply = await ask(proxy, chat(**fields))
            await proxy.all_ended(1)
    return reply, proxy, upstream


class TestTranscripts:
    """Every documented shape of a stream, through the whole proxy."""

    @pytest.mark.parametrize("asked", [False, True], ids=["usage unasked", "usage asked"])
    @pytest.mark.parametrize("way", ["one write", "byte by byte"])
    @pytest.mark.parametrize("name", TRANSCRIPTS)
    async def test_it_says_the_same(self, name: str, way: str, asked: bool) -> None:
        transcript = TRANSCRIPTS[name]
        scripted = answer(raw(transcript.raw), framing="close")
        fields = ASKED if asked else {}
        reply, proxy, _ = await relay(scripted.bytewise() if way == "byte by byte" else scripted, **fields)

        if transcript.finish is None:
            assert (reply.text, reply.error["message"]) == (transcript.text, "up: The provider went away")
            assert "[DONE]" not in reply.events
            return
        assert reply.done
        chunks = reply.events[:-1]
        check_stream(chunks, include_usage=asked)
        assert (text_of(chunks), reasoning_of(chunks)) == (transcript.text, transcript.reasoning)
        assert [(call["name"], call["arguments"]) for call in calls_of(chunks)] == list(transcript.tool_calls)
        assert finishes_of(chunks) == [transcript.finish]
        self.check_usage(chunks, proxy, transcript.usage, asked=asked)

    @pytest.mark.parametrize("name", TRANSCRIPTS)
    async def test_it_says_the_same_where_a_whole_answer_was_asked(self, name: str) -> None:
        transcript = TRANSCRIPTS[name]
        reply, proxy, _ = await relay(answer(raw(transcript.raw)), row="retries: 0", stream=False)

        if transcript.finish is None:
            assert (reply.status, reply.error["message"]) == (502, "up: The provider went away")
            return
        got = json.loads(reply.body)
        [choice] = got["choices"]
        message = choice["message"]
        assert (message["content"] or "", choice["finish_reason"]) == (transcript.text, transcript.finish)
        assert (message.get("reasoning_content") or message.get("reasoning") or "") == transcript.reasoning
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        assert [(call["name"], call["arguments"]) for call in calls] == list(transcript.tool_calls)
        told = got.get("usage") or {"prompt_tokens": 0, "completion_tokens": 0}
        assert (told["prompt_tokens"], told["completion_tokens"]) == (transcript.usage or (0, 0))
        assert proxy.ended[0].usage.completion_tokens == (transcript.usage or (0, 0))[1]

    @staticmethod
    def check_usage(chunks: list[dict[str, Any]], proxy: Proxy, usage: tuple[int, int] | None, *, asked: bool) -> None:
        """Usage is accounted for in any case, and told in a chunk of its own when asked."""
        [ended] = proxy.ended
        booked = (ended.usage.prompt_tokens, ended.usage.completion_tokens)
        assert (ended.usage.source, booked) == (("reported", usage) if usage else ("unknown", (0, 0)))
        told = [item for item in chunks if not item["choices"]]
        if asked and usage:
            [item] = told
            assert [other for other in chunks if other.get("usage")] == [item]
            assert (item["usage"]["prompt_tokens"], item["usage"]["completion_tokens"]) == usage
        else:
            assert told == []


def odd_stream() -> list[str]:
    """Return a legal stream as text, with all that upstreams add, written as no encoder of ours would."""
    head = '{"id" : "c-1", "object":"chat.completion.chunk",  "created":1760000001, "model":"odd/model:7b"'
    more = ', "system_fingerprint":null, "x_top":{"deep":[1, 2.50, -0.0, 1e-7, {}]}, "service_tier":"flex"'
    probs = (
        '{"content":[{"token":"Hi","logprob":-0.10,"bytes":[72,105],"top_logprobs":'
        '[{"token":"Hi","logprob":-1e-1,"bytes":null}]}],"refusal":null}'
    )
    choices = [
        '{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}',
        '{"index":1,"delta":{"role":"assistant","content":null,"x_delta":"d"},"finish_reason":null}',
        '{"index":0,"delta":{"reasoning_content":"Hm\\u002c so"},"finish_reason":null, "x_choice":true}',
        '{"index":1,"delta":{"reasoning":"so\\/so","reasoning_details":[{"type":"t","signature":"c2ln=="}]},'
        '"finish_reason":null}',
        '{"index":0,"delta":{"content":"Hi"},"logprobs":' + probs + ',"finish_reason":null}',
        '{"index":0,"delta":{"content":" \\u00fc\\ud83d\\ude80 ü🚀"},"finish_reason":null}',
        '{"index":1,"delta":{"tool_calls":[{"index":0,"id":"call_9","type":"function",'
        '"function":{"name":"look","arguments":""},"x_call":1}]},"finish_reason":null}',
        '{"index":1,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\\"at\\": "}}]},"finish_reason":null}',
        '{"index":1,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\"Köln\\"}"}}]},"finish_reason":null}',
        '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop","stop_reason":128009}',
    ]
    ending = '{"index":1,"delta":{},"finish_reason":"tool_calls"}'
    lines = [f'{head}{more}, "choices":[{choice}]}}' for choice in choices]
    lines.append(f'{head}, "choices":[ {ending} ], "usage":null}}')
    lines.append(f'{head}, "choices":[], "usage":{json.dumps(USAGE)}, "timings":{{"ms":1.0}}}}')
    return lines


class TestBytes:
    """A stream that needs no mending is not touched."""

    SENT = b"".join(b"data: %b\n\n" % line.encode() for line in [*odd_stream(), "[DONE]"])

    @pytest.mark.parametrize("way", ["an event a write", "one write", "byte by byte"])
    async def test_a_clean_stream_is_passed_byte_for_byte(self, way: str) -> None:
        by_event = answer(*(event(line) for line in [*odd_stream(), "[DONE]"]))
        scripted = {"an event a write": by_event, "one write": by_event.joined(), "byte by byte": by_event.bytewise()}
        reply, proxy, _ = await relay(scripted[way], n=2, **ASKED)

        assert reply.body == self.SENT
        assert proxy.ended[0].usage.cached_tokens == 8
        assert proxy.ended[0].usage.reasoning_tokens == 3

    async def test_without_the_usage_chunk_where_it_was_not_asked(self) -> None:
        reply, proxy, upstream = await relay(answer(raw(self.SENT)), n=2)

        lines = [*odd_stream()[:-1], "[DONE]"]
        assert reply.body == b"".join(b"data: %b\n\n" % line.encode() for line in lines)
        assert upstream.chats[0].asked_usage
        assert proxy.ended[0].usage.prompt_tokens == 9

    async def test_only_the_chunk_that_needs_it_is_mended(self) -> None:
        lines = odd_stream()
        broken = lines[4].replace('"delta":{"content":"Hi"}', '"delta":null')
        sent = [*lines[:4], broken, *lines[5:], "[DONE]"]
        reply, _, _ = await relay(answer(*map(event, sent)), n=2, **ASKED)

        got = reply.body.decode().split("\n\n")
        assert [f"data: {line}" for line in lines[:4]] == got[:4]
        assert json.loads(got[4].removeprefix("data: "))["choices"][0]["delta"] == {}
        assert [f"data: {line}" for line in lines[5:]] == got[5:-2]

    async def test_many_plain_tokens_are_passed_byte_for_byte(self) -> None:
        words = [f"{n} " for n in range(300)] + ["ü", '"', "\\", "\n", "\u2028", "{}", "", " ", "~", "[DONE]"] * 3
        lines = [json.dumps(chunk({"role": "assistant", "content": ""}))]
        lines += [json.dumps(chunk({"content": word})) for word in words] + [json.dumps(chunk({}, "stop"))]
        sent = [b"data: %b\n\n" % line.encode() for line in [*lines, "[DONE]"]]
        groups = [raw(b"".join(sent[at : at + 7])) for at in range(0, len(sent), 7)]
        reply, proxy, _ = await relay(answer(*groups).paced(0.0))

        assert reply.body == b"".join(sent)
        assert reply.text == "".join(words)
        assert proxy.ended[0].chunks == len(lines)

    async def test_a_whole_answer_is_passed_byte_for_byte(self) -> None:
        sent = (
            '{"id":"w","object":"chat.completion", "created":1760000001,"model":"odd","x_top":[1.0,-0.0,1e-7],'
            '"choices":[{"index":0,"message":{"role":"assistant","content":"\\u00fc\\/ü","refusal":null,'
            '"annotations":[],"reasoning_content":"hm"},"logprobs":null,"finish_reason":"stop","x":{"y":null}}],'
            f'"usage":{json.dumps(USAGE)}}}'
        ).encode()
        reply, proxy, _ = await relay(body(sent, headers={"Content-Type": "application/json"}), stream=False)

        assert reply.body == sent
        assert proxy.ended[0].usage.reasoning_tokens == 3


class TestUsage:
    """Usage is told when asked, where it belongs, and never twice."""

    FIRST = event(chunk({"role": "assistant", "content": "Hi"}))
    ON_FINISH = event({**chunk({}, "stop"), "usage": USAGE})
    APART = event({**chunk({}), "choices": [], "usage": USAGE})
    DONE = event("[DONE]")

    async def test_unasked_the_chunk_of_its_own_is_dropped(self) -> None:
        reply, proxy, upstream = await relay(text_stream("Hi", usage=True))

        assert all(item["choices"] for item in reply.events[:-1])
        assert upstream.chats[0].json["stream_options"] == {"include_usage": True}
        assert proxy.ended[0].usage.completion_tokens == 5

    @pytest.mark.parametrize("way", ["native", "none"])
    async def test_strict_upstreams_are_not_asked(self, way: str) -> None:
        reply, _, upstream = await relay(text_stream("Hi", usage=False), row=f"stream_usage: {way}")

        assert (reply.text, reply.done) == ("Hi", True)
        assert "stream_options" not in upstream.chats[0].json

    async def test_other_stream_options_are_kept(self) -> None:
        options = {"include_obfuscation": False, "include_usage": False}
        _, _, upstream = await relay(text_stream("Hi"), stream_options=options)

        assert upstream.chats[0].json["stream_options"] == {**options, "include_usage": True}

    @pytest.mark.parametrize("asked", [True, False])
    async def test_usage_on_the_finish_chunk_is_told_once(self, asked: bool) -> None:
        reply, _, _ = await relay(answer(self.FIRST, self.ON_FINISH, self.DONE), **(ASKED if asked else {}))

        chunks = reply.events[:-1]
        assert [(bool(item["choices"]), item["usage"]) for item in chunks if item.get("usage")] == [(not asked, USAGE)]
        check_stream(chunks, include_usage=asked)

    async def test_usage_stays_on_every_chunk_for_those_who_asked_for_it_there(self) -> None:
        options = {**ASKED["stream_options"], "continuous_usage_stats": True}
        reply, _, _ = await relay(answer(self.FIRST, self.ON_FINISH, self.DONE), stream_options=options)

        assert [bool(item["choices"]) for item in reply.events[:-1] if item.get("usage")] == [True, False]

    async def test_usage_told_twice_is_one_chunk_at_the_end(self) -> None:
        reply, _, _ = await relay(answer(self.FIRST, self.APART, self.ON_FINISH, self.APART, self.DONE), **ASKED)

        chunks = reply.events[:-1]
        check_stream(chunks, include_usage=True)
        assert chunks[-1]["usage"] == USAGE

    async def test_usage_before_the_finish_reason_goes_after_it(self) -> None:
        reply, _, _ = await relay(answer(self.FIRST, self.APART, event(chunk({}, "stop")), self.DONE), **ASKED)

        assert [bool(item["choices"]) for item in reply.events[:-1]] == [True, True, False]
        assert reply.events[2]["usage"] == USAGE

    async def test_asked_but_unknown_is_no_chunk(self) -> None:
        reply, proxy, _ = await relay(text_stream("Hi", usage=False), **ASKED)

        assert reply.done
        assert all(item["choices"] for item in reply.events[:-1])
        assert proxy.ended[0].usage.source == "unknown"

    async def test_one_clients_bad_options_do_not_end_the_asking(self) -> None:
        def refuse(seen: Seen) -> Answer:
            told = {"error": {"message": "stream_options: unknown option x", "param": "stream_options.x"}}
            return error(400, told) if "x" in seen.json.get("stream_options", {}) else text_stream("fine")

        async with FakeUpstream() as upstream:
            upstream.on(refuse)
            async with serving(one_upstream(upstream)) as proxy:
                bad = await ask(proxy, chat(stream_options={"x": 1}))
                good = await ask(proxy, chat())

        assert (bad.status, bad.error["param"]) == (400, "stream_options.x")
        assert good.text == "fine"
        assert upstream.chats[-1].asked_usage


class TestRequests:
    """The upstream gets what the client sent, under the upstream's own model id."""

    FIELDS: dict[str, Any] = {  # noqa: RUF012 - a constant
        "messages": [
            {"role": "system", "content": "Sei freundlich \u2028 🎈 \u0085", "cache_control": {"type": "e"}},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                    {"type": "file", "file": {"file_id": "file-1"}, "x_part": [None, True]},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                "reasoning_content": "hm",
            },
            {"role": "tool", "tool_call_id": "c", "content": "42"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "strict": True, "parameters": {"$defs": {"a": {}}}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "temperature": 0.1,
        "seed": 2**70,
        "logit_bias": {"50256": -100},
        "n": 2,
        "x_new": {"nested": [1.0, 1e-300, -0.0, None, "", {}, []]},
        "metadata": {"": "empty", "ü": "\U0010ffff"},
    }

    @pytest.mark.parametrize("stream", [True, False])
    async def test_every_field_reaches_the_upstream(self, stream: bool) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            assert (await ask(proxy, chat(stream=stream, **self.FIELDS))).status == 200
        [seen] = upstream.chats
        added = {"stream": True, "stream_options": {"include_usage": True}} if stream else {"stream": False}

        assert seen.json == {**self.FIELDS, "model": "real-model", **added}
        assert repr(seen.json["x_new"]["nested"]) == repr(self.FIELDS["x_new"]["nested"])
        assert type(seen.json["seed"]) is int

    async def test_half_a_character_reaches_the_upstream_as_it_was(self) -> None:
        said = [{"role": "user", "content": "half \ud83d"}]
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            assert (await ask(proxy, chat(messages=said))).status == 200

        assert upstream.chats[0].json["messages"] == said
