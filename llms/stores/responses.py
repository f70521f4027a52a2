"""What a store of responses is: each with its input and output, for its owner to read, to continue and to delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class StoredResponse(NamedTuple):
    """One response as it is kept."""

    id: str
    owner: str
    """The short name of the key that asked for it."""
    created: float
    """Unix time."""
    previous: str | None = None
    """The response that it continues."""
    provider: str = ""
    """Where the response itself is kept, by the name of its provider; empty: here."""
    model: str = ""
    """The provider's own model id."""
    response: Mapping[str, Any] | None = None
    """The response object, with a `status`; None where it is kept elsewhere."""
    items: Sequence[Mapping[str, Any]] = ()
    """The input, without what came before."""
    sealed: Mapping[str, str] = {}
    """What reasoning items carry for the model, by their id."""

    @property
    def output(self) -> list[dict[str, Any]]:
        """Return the output as the model needs it: with what its reasoning items carry."""
        found = () if self.response is None else self.response["output"]
        return [
            {**item, "encrypted_content": self.sealed[item["id"]]} if item["id"] in self.sealed else item
            for item in found
        ]


class StoreBroken(Exception):
    """Responses cannot be read or kept; the message says why."""


class ResponseStore(Protocol):
    """Keep responses. Whoever asks for another owner's finds nothing."""

    async def put(self, row: StoredResponse) -> None:
        """Keep a response in place of what was known of it; raise StoreBroken."""

    def note(self, row: StoredResponse) -> None:
        """Do the same without anybody waiting for it, before whatever is asked later."""

    async def get(self, response_id: str, *, owner: str) -> StoredResponse | None:
        """Return a response; one that was under way when its server stopped has failed. Raise StoreBroken."""

    async def chain(self, response_id: str, *, owner: str, size: int) -> list[StoredResponse] | None:
        """Return a response and all that it continues, the first of them first; None where one is not there.

        Raise StoreBroken where it cannot be read, and ChainTooLong for over `size` bytes.
        """

    async def find_items(self, ids: Collection[str], *, owner: str) -> dict[str, dict[str, Any]]:
        """Return items of inputs and outputs by their ids, as far as they are there. Raise StoreBroken."""

    async def delete(self, response_id: str, *, owner: str) -> bool:
        """Forget a response; False when there was none. Raise StoreBroken."""

    async def close(self) -> None:
        """Let go of the files."""


class ChainTooLong(StoreBroken):
    """A conversation is longer than a request may be."""
