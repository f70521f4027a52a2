"""What a provider must never say: the key that it was given."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator

import pytest

from llms.testing.answers import body
from llms.testing.contract.setup import Setup, needs
from llms.testing.steps import close


class Secrets(Setup):
    """The planted key is searched for in everything that leaves a provider."""

    @needs("speaks_http", "has_key")
    async def test_the_upstream_gets_the_key(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, "Hello")
            await self.ask(provider)

        values = [*upstream.chats[0].headers.values(), upstream.chats[0].path]
        assert any(self.key in value for value in values), "the key was not planted: the other tests prove nothing"

    @needs("speaks_http", "has_key")
    @pytest.mark.parametrize("how", ["401", "403", "400", "500", "html", "event", "cut", "refused"])
    async def test_the_key_is_in_no_error_and_no_log(
        self, how: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        told = f"Incorrect API key provided: {self.key} (Bearer {self.key})."
        with caplog.at_level(logging.DEBUG):
            async with self.ready(refuses=how == "refused") as (provider, upstream):
                if how == "html":
                    upstream.script(body(f"<html>{told}</html>", status=502))
                elif how == "event":
                    self.script_error_event(upstream, ["one"], told)
                elif how == "cut":
                    self.script_begun(upstream, ["one"], close())
                elif how != "refused":
                    self.script_error(upstream, int(how), {"x-request-id": "r-1"}, message=told)
                error, _ = await self.fail(provider)
                said = [repr(provider), str(provider), *_all_of(error)]
        printed = capfd.readouterr()

        for text in (*said, caplog.text, printed.out, printed.err):
            assert self.key not in text, f"the key is in {text[:300]!r}"

    @needs("speaks_http", "has_key", "lists_upstream_models")
    async def test_the_key_is_in_no_error_of_the_list_of_models(self) -> None:
        async with self.ready() as (provider, upstream):
            upstream.models(body({"error": {"message": f"bad {self.key}", "code": self.key}}, status=403))
            with pytest.raises(Exception, match="bad") as raised:
                await provider.models()

        assert all(self.key not in text for text in _all_of(raised.value))

    @needs("speaks_http", "has_key")
    async def test_an_answer_may_speak_of_the_key(self) -> None:
        async with self.ready() as (provider, upstream):
            self.script_text(upstream, f"say {self.key}")
            message = self.fold(await self.ask(provider))["choices"][0]["message"]

        assert message["content"] == f"say {self.key}", "answers are not ours to censor"


def _all_of(error: BaseException) -> Iterator[str]:
    """Yield every text of an error and of what caused it."""
    yield from ("".join(traceback.format_exception(error)), repr(vars(error)))
    seen: BaseException | None = error
    while seen is not None:
        yield from (str(seen), repr(seen), *map(repr, seen.args))
        seen = seen.__cause__ or seen.__context__
