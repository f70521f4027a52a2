"""POST /v1/completions through a whole proxy: asked by chat, and of upstreams that speak it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms.testing.answers import Answer, answer, body, chunk, completion, echo, error, reply, text_stream, whole
from llms.testing.fake_upstream import FakeUpstream, close, cut, event, stall
from llms.testing.seen import Seen
from tests.proxy import Proxy, Reply, ask, one_upstream, serving
from tests.server.wire import assert_envelope, assert_refused, connected

NATIVE = "dialects: [completions]"
TWO = """
providers:
  plain: {{type: openai_compatible, base_url: "{plain.url}", retries: 0}}
  native: {{type: openai_compatible, base_url: "{native.url}", dialects: [completions]}}
models:
  m: {{targets: [plain/one, native/two]}}
"""


def asked(prompt: Any = "Say hello.", **fields: Any) -> dict[str, Any]:
    return {"model": "m", "prompt": prompt, **fields}


async def complete(proxy: Proxy, sent: Any, *, path: str = "/v1/completions") -> Reply:
    return await ask(proxy, sent, path=path)


def text(words: str, finish: str | None = None, *, index: int = 0, **more: Any) -> dict[str, Any]:
    """Return one object as an upstream that speaks completions sends it (OpenAI's API reference, Completions)."""
    choice = {"text": words, "index": index, "logprobs": None, "finish_reason": finish}
    return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "theirs", "choices": [choice], **more}


def texts(found: Reply) -> dict[int, str]:
    """Return what each choice of a stream or of a whole answer says."""
    said: dict[int, str] = {}
    items = found.events if found.body.startswith(b"data:") else [json.loads(found.body)]
    for item in items:
        for choice in item["choices"] if isinstance(item, dict) else ():
            said[choice["index"]] = said.get(choice["index"], "") + choice["text"]
    return said


class TestAskedByChat:
    @pytest.mark.parametrize("path", ["/v1/completions", "/completions"])
    async def test_a_whole_text(self, path: str) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(whole("Hello world"))
            found = await complete(proxy, asked(max_tokens=9, x_more=1), path=path)
            (seen,) = upstream.chats
            [ended] = await proxy.all_ended(1)

        told = json.loads(found.body)
        assert told["object"] == "text_completion"
        assert told["choices"] == [{"text": "Hello world", "index": 0, "logprobs": None, "finish_reason": "stop"}]
        assert told["usage"]["total_tokens"] == 12
        assert found.headers["x-llms-provider"] == "up"
        assert seen.path == "/v1/chat/completions"
        assert seen.json == {
            "model": "real-model",
            "messages": [{"role": "user", "content": "Say hello."}],
            "max_tokens": 9,
            "x_more": 1,
        }
        assert (ended.route, ended.usage.completion_tokens) == (path, 5)

    async def test_a_stream(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(text_stream("Hello world"))
            found = await complete(proxy, asked(stream=True, stream_options={"include_usage": True}, echo=True))

        assert found.done
        assert texts(found) == {0: "Say hello.Hello world"}
        assert [item["usage"]["total_tokens"] for item in found.events[:-1] if not item["choices"]] == [12]
        assert {item["object"] for item in found.events[:-1]} == {"text_completion"}

    async def test_usage_that_was_not_asked_for_is_not_told(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(text_stream("Hello"))
            found = await complete(proxy, asked(stream=True))

        assert all(item["choices"] for item in found.events[:-1])

    @pytest.mark.parametrize("stream", [True, False])
    async def test_each_prompt_has_choices_of_its_own(self, stream: bool) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.on(echo)
            found = await complete(
                proxy, asked(["one", "two", "three"], stream=stream, stream_options={"include_usage": True})
            )
            sent = [seen.json["messages"][0]["content"] for seen in upstream.chats]
            [ended] = await proxy.all_ended(1)

        assert sent == ["one", "two", "three"]
        assert texts(found) == {0: "one", 1: "two", 2: "three"}
        assert (ended.attempts, ended.usage.prompt_tokens) == (1, 21)

    @pytest.mark.parametrize("stream", [True, False])
    async def test_choices_of_several_prompts_are_numbered_on(self, stream: bool) -> None:
        def twice(seen: Seen) -> Answer:
            said = seen.json["messages"][0]["content"]
            if seen.stream:
                parts = [chunk({"role": "assistant", "content": f"{said}{at}"}, "stop", index=at) for at in (1, 0)]
                return answer(*map(event, parts), event("[DONE]"))
            item = completion({"content": f"{said}0"})
            item["choices"].append({**item["choices"][0], "index": 1, "message": {"content": f"{said}1"}})
            return body(item)

        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.on(twice)
            found = await complete(proxy, asked(["a", "b"], n=2, stream=stream))

        assert texts(found) == {0: "a0", 1: "a1", 2: "b0", 3: "b1"}

    @pytest.mark.parametrize("ending", [cut(), close(), None], ids=["cut", "closed", "no finish reason"])
    @pytest.mark.parametrize("second", [0, 2])
    async def test_a_stream_that_breaks_off_at_the_second_prompt_is_not_whole(self, ending: Any, second: int) -> None:
        broken = text_stream("two", usage=False, done=False, finish=None).first(second)
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="retries: 0")) as proxy:
            upstream.script(text_stream("one"), broken if ending is None else broken.then(ending))
            found = await complete(proxy, asked(["a", "b"], stream=True))
            [ended] = await proxy.all_ended(1)

        assert texts(Reply(200, {}, found.body.rpartition(b"data: ")[0], whole=True))[0] == "one"
        assert not found.done
        assert found.error["code"].startswith("upstream_")
        assert ended.outcome != "ok"

    async def test_a_refused_second_prompt_refuses_a_whole_answer(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row="retries: 0")) as proxy:
            upstream.script(whole("one"), error(400, message="not this one"))
            found = await complete(proxy, asked(["a", "b"]))

        assert "not this one" in assert_refused(found, 400)["message"]

    async def test_a_client_that_leaves_stops_the_prompt_that_is_asked(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(text_stream("one"), answer(stall()), reply("never"))
            async with connected(proxy) as client:
                await client.send(asked(["a", "b", "c"], stream=True), path="/v1/completions")
                seen = await upstream.arrived(2)
                await seen.silent()
            await seen.gone()
            await proxy.all_ended(1)

            assert len(upstream.chats) == 2

    @pytest.mark.parametrize(
        "fields", [{"prompt": [1, 2]}, {"suffix": "x"}, {"best_of": 3}, {"logprobs": 1, "echo": True}]
    )
    async def test_what_no_chat_can_ask_for_is_refused_before_anybody_is_asked(self, fields: dict[str, Any]) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            found = await complete(proxy, {**asked(), **fields})
            assert not upstream.chats

        assert "dialects" in assert_refused(found, 400)["message"]

    async def test_a_broken_stream_ends_with_an_error(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
            upstream.script(text_stream("Hello world").first(2).then(cut()))
            found = await complete(proxy, asked(stream=True))

        assert found.error["code"] == "upstream_truncated"
        assert not found.done


class TestSpoken:
    """Upstreams that speak completions: their bytes are handed on."""

    async def test_a_whole_answer_is_passed_on(self) -> None:
        usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
        theirs = json.dumps(text("Hello", "length", usage=usage, x_more=[1]))
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(body(theirs))
            found = await complete(proxy, asked([[1, 2], [3]], suffix="end", best_of=2, logprobs=5))
            (seen,) = upstream.chats
            [ended] = await proxy.all_ended(1)

        assert found.body.decode() == theirs
        assert seen.path == "/v1/completions"
        assert seen.json == {
            **asked([[1, 2], [3]]),
            "model": "real-model",
            "suffix": "end",
            "best_of": 2,
            "logprobs": 5,
        }
        assert (ended.usage.completion_tokens, ended.finish_reason) == (3, "length")

    async def test_a_stream_is_passed_on(self) -> None:
        usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
        sent = [text("Hel"), text("lo"), text("", "stop"), {**text(""), "choices": [], "usage": usage}]
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(answer(*map(event, sent), event("[DONE]")))
            found = await complete(proxy, asked(["a", "b"], stream=True))
            (seen,) = upstream.chats
            [ended] = await proxy.all_ended(1)

        assert found.events == [*sent, "[DONE]"]
        assert seen.json["prompt"] == ["a", "b"]
        assert (ended.outcome, ended.usage.prompt_tokens, ended.finish_reason) == ("ok", 2, "stop")

    async def test_an_end_that_was_forgotten_is_added(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(answer(event(text("Hello")), event(text("", "stop"))))
            found = await complete(proxy, asked(stream=True))

        assert found.done
        assert texts(found) == {0: "Hello"}

    @pytest.mark.parametrize("others", [[], [text("b", index=1)]], ids=["one choice", "another goes on"])
    async def test_a_stream_without_its_end_is_not_whole(self, others: list[Any]) -> None:
        sent = [text("Hello"), *([text("", "stop"), *others] if others else [])]
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(answer(*map(event, sent), close()))
            found = await complete(proxy, asked(stream=True, n=2))
            [ended] = await proxy.all_ended(1)

        assert found.error["code"] == "upstream_truncated"
        assert ended.outcome == "truncated"

    async def test_one_that_does_not_stream_is_told_as_a_stream(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(body(text("Hello", "stop")))
            found = await complete(proxy, asked(stream=True))

        assert found.done
        assert texts(found) == {0: "Hello"}

    async def test_an_error_event_is_told_in_our_words(self) -> None:
        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.script(answer(event(text("Hel")), event({"error": {"message": "broken", "code": 500}})))
            found = await complete(proxy, asked(stream=True))

        assert "broken" in found.error["message"]
        assert not found.done

    async def test_a_model_without_the_route_is_asked_by_chat(self) -> None:
        def by_route(seen: Seen) -> Answer:
            return echo(seen) if seen.path.endswith("chat/completions") else error(404)

        async with FakeUpstream() as upstream, serving(one_upstream(upstream, row=NATIVE)) as proxy:
            upstream.on(by_route)
            first = await complete(proxy, asked(["one", "two"]))
            again = await complete(proxy, asked(["one", "two"], stream=True))
            tokens = await complete(proxy, asked([1, 2]))
            paths = [seen.path.removeprefix("/v1/") for seen in upstream.chats]

        assert texts(first) == texts(again) == {0: "one", 1: "two"}
        assert paths == ["completions", *["chat/completions"] * 4]
        assert_refused(tokens, 400)

    async def test_what_only_they_can_is_asked_of_them_alone(self) -> None:
        async with (
            FakeUpstream() as plain,
            FakeUpstream() as native,
            serving(TWO.format(plain=plain, native=native)) as proxy,
        ):
            native.script(body(text("Hello", "stop")))
            found = await complete(proxy, asked([1, 2, 3]))
            assert not plain.chats

        assert found.headers["x-llms-provider"] == "native"
        assert found.headers["x-llms-attempts"] == "1"

    async def test_a_fallback_goes_from_a_chat_to_them(self) -> None:
        async with (
            FakeUpstream() as plain,
            FakeUpstream() as native,
            serving(TWO.format(plain=plain, native=native)) as proxy,
        ):
            plain.script(error(503))
            native.script(body(text("Hello", "stop")))
            found = await complete(proxy, asked())

        assert texts(found) == {0: "Hello"}
        assert found.headers["x-llms-attempts"] == "2"


async def test_an_unknown_model_is_told() -> None:
    async with FakeUpstream() as upstream, serving(one_upstream(upstream)) as proxy:
        found = await complete(proxy, {**asked(), "model": "nobody"})

    assert_envelope(found, code="model_not_found")
