"""What this server remembers of responses: conversations to continue, items to refer to, and where each is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, final

from llms.protocol.dialects.responses.asked import Asked, Item
from llms.protocol.errors import InternalError, InvalidRequest, LlmsError, NotFound, excerpt
from llms.server.services import Services
from llms.stores.responses import ChainTooLong, StoreBroken, StoredResponse

_UNDER_WAY = ("queued", "in_progress")
_UNREADABLE = "Responses cannot be read or kept at the moment; the server's log has the cause."


class Past(NamedTuple):
    """What a request continues."""

    items: Sequence[Item] = ()
    kept_by: StoredResponse | None = None
    """The response before, where its provider keeps the conversation."""
    elsewhere: InvalidRequest | None = None
    """Nothing is known of it here; a provider may know."""


@final
class Memory:
    """The responses of one key."""

    def __init__(self, services: Services, *, owner: str) -> None:
        """Take the store, which there may be none of."""
        self._services = services
        self._owner = owner
        self._store = services.responses()

    @property
    def keeps(self) -> bool:
        """Tell whether anything is kept."""
        return self._store is not None

    async def past(self, asked: Asked) -> Past:
        """Return what a request continues; raise an LlmsError where that is not there."""
        previous = asked.previous
        if previous is None:
            return Past()
        if self._store is None:
            return Past(elsewhere=_not_kept())
        try:
            chain = await self._store.chain(previous, owner=self._owner, size=self._services.config.server.max_body)
        except ChainTooLong as problem:
            raise InvalidRequest(
                f"The conversation before cannot be continued: {problem}. Send what matters of it as `input`.",
                param="previous_response_id",
                code="context_length_exceeded",
            ) from None
        except StoreBroken:
            _broken()
        if not chain:
            raise InvalidRequest(
                f"Previous response with id {excerpt(previous, 80)!r} not found: it is not this key's, was deleted, or "
                "it or one before it is no longer kept.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return _past(chain)

    async def resolved(self, asked: Asked) -> Asked:
        """Return a request with the items that it refers to, as far as they are kept here."""
        wanted = [item["id"] for item in asked.items if item["type"] == "item_reference"]
        if not wanted or self._store is None:
            return asked
        try:
            found = await self._store.find_items(wanted, owner=self._owner)
        except StoreBroken:
            _broken()
        if not found:
            return asked
        items = [found.get(item["id"], item) if item["type"] == "item_reference" else item for item in asked.items]
        return asked._replace(items=items, body={**asked.body, "input": items})

    async def get(self, response_id: str) -> StoredResponse:
        """Return a response; raise NotFound."""
        try:
            found = None if self._store is None else await self._store.get(response_id, owner=self._owner)
        except StoreBroken:
            _broken()
        if found is None:
            raise _not_found(response_id)
        return found

    async def context(self, row: StoredResponse) -> list[Item]:
        """Return all that a response was made from: what it continues, and its own input."""
        before: Sequence[Item] = ()
        if row.previous is not None and self._store is not None:
            try:
                chain = await self._store.chain(row.previous, owner=self._owner, size=2**62)
            except StoreBroken:
                _broken()
            before = _past(chain).items if chain else ()
        return [*before, *(dict(item) for item in row.items)]

    async def forget(self, response_id: str) -> None:
        """Delete a response; raise NotFound."""
        try:
            gone = self._store is not None and await self._store.delete(response_id, owner=self._owner)
        except StoreBroken:
            _broken()
        if not gone:
            raise _not_found(response_id)

    def row(self, asked: Asked, response: Mapping[str, Any], sealed: Mapping[str, str]) -> StoredResponse:
        """Return a response that was made here, as it is kept."""
        return StoredResponse(
            asked.id,
            self._owner,
            created=self._services.now(),
            previous=asked.previous,
            response=response,
            items=asked.items,
            sealed=sealed,
        )

    def row_of(self, response_id: str, *, provider: str, model: str) -> StoredResponse:
        """Return a response that its provider keeps, as it is remembered."""
        return StoredResponse(response_id, self._owner, created=self._services.now(), provider=provider, model=model)

    async def keep(self, row: StoredResponse) -> None:
        """Keep a response; where that fails the client has it all the same, and the log says it."""
        try:
            if self._store is not None:
                await self._store.put(row)
        except StoreBroken:
            return

    def note(self, row: StoredResponse) -> None:
        """Keep a response without waiting for it."""
        if self._store is not None:
            self._store.note(row)


def _past(chain: Sequence[StoredResponse]) -> Past:
    last = chain[-1]
    if last.provider:
        return Past(kept_by=last)
    assert last.response is not None
    if last.response["status"] in _UNDER_WAY:
        raise InvalidRequest("The previous response is still under way.", param="previous_response_id")
    if last.response["status"] == "failed":
        raise InvalidRequest("The previous response failed; continue the one before it.", param="previous_response_id")
    return Past([dict(item) for row in chain for item in (*row.items, *row.output)])


def _not_kept() -> InvalidRequest:
    return InvalidRequest(
        "This server keeps no responses (`responses.store` is false): send the conversation as `input`.",
        param="previous_response_id",
        code="previous_response_not_found",
    )


def _not_found(response_id: str) -> LlmsError:
    return NotFound(f"Response with id {excerpt(response_id, 80)!r} not found.", param="response_id")


def _broken() -> NoReturn:
    raise InternalError(_UNREADABLE) from None
