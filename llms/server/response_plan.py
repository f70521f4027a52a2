"""Where a request for a response may go: what it continues and refers to, and who can make it."""

from __future__ import annotations

from llms.gateway.speaking import speaks
from llms.protocol.chat import ChatRequest
from llms.protocol.dialects.responses.asked import Asked
from llms.protocol.dialects.responses.translation import translate
from llms.protocol.errors import InvalidRequest, excerpt
from llms.server.access import Access
from llms.server.response_memory import Memory
from llms.server.services import Services
from llms.stores.responses import StoredResponse


async def planned(asked: Asked, memory: Memory, access: Access, services: Services) -> tuple[Asked, ChatRequest]:
    """Return a request with what it refers to, and the chat to ask for; raise an LlmsError.

    The chat has an `original` where a target that speaks the dialect may be asked, with a `refusal` where it must be.
    """
    past = await memory.past(asked)
    asked = await memory.resolved(asked)
    translation = translate(asked, past.items, request_id=access.request_id, hops=access.hops)
    chat, only = translation.request, translation.obstacle or past.elsewhere
    if past.kept_by is not None:
        return asked, await _pinned(chat, past.kept_by, services)
    if asked.background and only is None:
        if not await _may_run_elsewhere(chat, services):
            _check_background(memory)
            return asked, chat._replace(original=None)
        only = InvalidRequest("The model's target makes no responses in the background.", param="background")
    return asked, _limited(chat, only)


async def _pinned(chat: ChatRequest, kept: StoredResponse, services: Services) -> ChatRequest:
    """Return the request for the one provider that keeps the conversation."""
    where = f"The previous response is kept by the provider {kept.provider!r}"
    if kept.provider not in services.gateway.fleet.members:
        raise InvalidRequest(
            f"{where}, which is not in service any more: send the conversation as `input`.",
            param="previous_response_id",
        )
    route = await services.gateway.route(chat.model)
    model = next((target.model for target in route.targets if target.provider == kept.provider), None)
    if model is None:
        raise InvalidRequest(
            f"{where}, and the model {excerpt(chat.model, 80)!r} is not one of its: ask for one that is, or send the "
            "conversation as `input`.",
            param="model",
        )
    only = InvalidRequest(f"{where}, which speaks the Responses API no more.", param="previous_response_id")
    return _limited(chat._replace(model=f"{kept.provider}/{model}"), only)


async def _may_run_elsewhere(chat: ChatRequest, services: Services) -> bool:
    """Tell whether the first target speaks the dialect, and so has a background of its own."""
    assert chat.original is not None
    target = (await services.gateway.route(chat.model)).targets[0]
    provider = services.gateway.fleet.members[target.provider].provider
    return provider is not None and speaks(provider, chat.original, target.model)


def _limited(chat: ChatRequest, only: InvalidRequest | None) -> ChatRequest:
    if only is None or chat.original is None:
        return chat
    return chat._replace(original=chat.original._replace(refusal=only))


def _check_background(memory: Memory) -> None:
    if not memory.keeps:
        raise InvalidRequest(
            "This server keeps no responses (`responses.store` is false), so none can be fetched later: send the "
            "request without `background`.",
            param="background",
        )
