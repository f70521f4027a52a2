"""POST /api/providers/{name}/test: ask a provider what it serves, and have it say a word if that is wanted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final, final

from aiohttp import web

from llms.gateway import Member
from llms.gateway.changes import unknown_provider
from llms.gateway.exchange import Exchange
from llms.gateway.trial import say_ok
from llms.protocol import json
from llms.protocol.errors import InvalidRequest, LlmsError, UpstreamTimeout
from llms.routing.chat_models import first_chat_model
from llms.server.access import Access
from llms.server.object_body import read_object
from llms.server.services import Services
from llms.server.whole_answer import WholeAnswer

_PATIENCE: Final = 20.0
_SHORTEST, _LONGEST = 0.1, 60.0
_KEYS: Final = ("chat", "model", "seconds")


@final
@dataclass(frozen=True, slots=True)
class _Order:
    chat: bool
    model: str | None
    seconds: float
    """For the list, and again for the chat."""


@final
class ProviderTrial:
    """Try one provider; whatever goes wrong there is in the answer, which is a 200."""

    def __init__(self, services: Services) -> None:
        """Take the roster, and who asks."""
        self._services = services

    async def post(self, request: web.Request, access: Access) -> WholeAnswer:
        """Answer how the list of models went, and the chat: times in milliseconds, problems in words."""
        services = self._services
        order = _order(await read_object(request, services, keys=_KEYS, may_be_empty=True))
        name = request.match_info["name"]
        entry = services.roster.entries().get(name)
        if entry is None:
            raise unknown_provider(name)
        member = services.gateway.fleet.members.get(name)
        if member is None:
            return _answer(name, {"ok": False, "milliseconds": 0, **_listed(None, entry.lacks), "chat": None}, access)
        with services.running.request(access.request_id), member.used():
            return _answer(name, await self._try(member, order, access), access)

    async def _try(self, member: Member, order: _Order, access: Access) -> dict[str, Any]:
        since = self._services.clock()
        error = await self._services.ask(member, order.seconds)
        told: dict[str, Any] = {"ok": error is None, "milliseconds": self._since(since)}
        if error is None:
            told |= _listed(len(member.listed or ()), "")
        else:
            told |= _listed(None, _words(error, member), error.code)
        chat = await self._chat(member, order, access) if order.chat else None
        return {**told, "ok": chat["ok"] if chat is not None else told["ok"], "chat": chat}

    async def _chat(self, member: Member, order: _Order, access: Access) -> dict[str, Any]:
        model = order.model or first_chat_model(info.id for info in member.listed or ())
        told: dict[str, Any] = {"ok": False, "model": model, "milliseconds": None, "ttft_ms": None}
        if model is None:
            return told | {"problem": "It lists no model: name one as `model`.", "code": None}
        since = self._services.clock()
        try:
            async with asyncio.timeout(order.seconds):
                exchange = await self._say_ok(f"{member.row.name}/{model}", access)
        except TimeoutError:
            told |= {"problem": f"no whole answer within {order.seconds:g} s", "code": UpstreamTimeout.default_code}
        except LlmsError as error:
            told |= {"problem": _words(error, member), "code": error.code}
        else:
            ttft = round(1000 * exchange.ttft) if exchange.ttft is not None else None
            told |= {"ok": True, "ttft_ms": ttft, "problem": "", "code": None}
        return told | {"milliseconds": self._since(since)}

    async def _say_ok(self, target: str, access: Access) -> Exchange:
        return await say_ok(
            self._services.gateway,
            target,
            tokens=1,
            route="test",
            key_id=access.caller.key_id,
            request_id=access.request_id,
        )

    def _since(self, moment: float) -> int:
        return round(1000 * (self._services.clock() - moment))


def _order(body: dict[str, Any]) -> _Order:
    chat, model, seconds = body.get("chat", False), body.get("model"), body.get("seconds", _PATIENCE)
    if not isinstance(chat, bool):
        raise InvalidRequest("`chat` must be true or false.", param="chat")
    if model is not None and not (isinstance(model, str) and model):
        raise InvalidRequest("`model` must be the id of a model.", param="model")
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not _SHORTEST <= seconds <= _LONGEST:
        raise InvalidRequest(f"`seconds` must be a number from {_SHORTEST:g} to {_LONGEST:g}.", param="seconds")
    return _Order(chat, model, float(seconds))


def _listed(models: int | None, problem: str, code: str | None = None) -> dict[str, Any]:
    return {"models": models, "problem": problem, "code": code}


def _words(error: LlmsError, member: Member) -> str:
    return error.message.removeprefix(f"{member.row.name}: ")


def _answer(name: str, told: dict[str, Any], access: Access) -> WholeAnswer:
    return WholeAnswer(json.dumps({"object": "provider.test", "name": name, **told}), access.headers)
