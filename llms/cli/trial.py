"""One tiny request to one provider: how long it took, or what is wrong and how to mend it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from llms.app import Engine
from llms.config.model import Conduct, Config
from llms.gateway.trial import say_ok
from llms.protocol.errors import LlmsError
from llms.routing.chat_models import first_chat_model

_LIST_SECONDS: Final = 5.0
_TOKENS: Final = 16
_FIXES: Final[Mapping[str, str]] = {
    "upstream_unreachable": "Start it, or correct its base_url.",
    "upstream_protocol_error": "Does its base_url end where the API begins, mostly in /v1?",
    "upstream_timeout": "Try again, or give it longer with --timeout.",
    "upstream_overloaded": "Try again later.",
    "rate_limit_exceeded": "Try again later, or raise the limit there.",
    "insufficient_quota": "Add credit there.",
    "model_not_found": "Name a model it serves with --model.",
    "permission_denied": "Its key may not use this model; name another with --model.",
}
"""By error code: what helps, where the message itself does not say so."""


@final
@dataclass(frozen=True, slots=True)
class Trial:
    """How a provider did; times are in seconds, None where it did not get so far."""

    provider: str
    model: str | None = None
    ttft: float | None = None
    seconds: float | None = None
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Tell whether it answered to the end."""
        return self.error is None


def single_minded(config: Config, *, seconds: float) -> Config:
    """Return a configuration whose providers are asked once, for so long, and stand in for no other."""

    def once(conduct: Conduct) -> dict[str, Any]:
        times = conduct.timeouts.changed(first_chunk=seconds, idle=seconds, total=seconds)
        return {"retries": 0, "timeouts": times}

    rows = {name: row.changed(**once(row)) for name, row in config.providers.items()}
    defaults = config.defaults.changed(**once(config.defaults), model=None)
    return config.changed(providers=rows, defaults=defaults, models={})


async def attempt(engine: Engine, name: str, *, model: str | None, seconds: float) -> Trial:
    """Ask a provider for a few tokens; whatever goes wrong is in the answer."""
    try:
        chosen = model or await _first_model(engine, name)
    except LlmsError as error:
        return Trial(name, error=_words(name, error))
    if chosen is None:
        return Trial(name, error="It lists no model. Name one with --model.")
    try:
        async with asyncio.timeout(seconds):
            exchange = await say_ok(engine.gateway, f"{name}/{chosen}", tokens=_TOKENS, route="check")
    except TimeoutError:
        return Trial(name, chosen, error=f"No whole answer within {seconds:g} s. {_FIXES['upstream_timeout']}")
    except LlmsError as error:
        return Trial(name, chosen, error=_words(name, error))
    return Trial(name, chosen, exchange.ttft, exchange.elapsed())


async def _first_model(engine: Engine, name: str) -> str | None:
    listed = await engine.gateway.fleet.members[name].list(patience=_LIST_SECONDS)
    return first_chat_model(info.id for info in listed)


def _words(name: str, error: LlmsError) -> str:
    words = error.message.removeprefix(f"{name}: ").rstrip(".")
    fix = _FIXES.get(error.code)
    return f"{words}. {fix}" if fix else f"{words}."
