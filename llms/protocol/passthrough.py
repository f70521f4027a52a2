"""The nouns of what is passed on as it is: audio, images, moderations, rankings, files."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal, Protocol, final

from llms.protocol import json
from llms.protocol.chat import Usage

Area = Literal["audio", "images", "moderations", "rerank", "files"]
"""The first word of a route: what a provider has all of, or nothing."""
AREAS: Final[tuple[Area, ...]] = ("audio", "images", "moderations", "rerank", "files")

_CHAT_WORDS: Final = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}


class Upload(Protocol):
    """A body that is sent on while it comes, with the target's own model id in place of the client's."""

    @property
    def repeatable(self) -> bool:
        """Tell whether all that was taken can be taken again."""
        ...

    def length(self, model: str) -> int | None:
        """Return the bytes that go to an upstream whose id of the model is this; None where nobody knows yet."""
        ...

    def pieces(self, model: str) -> AsyncGenerator[bytes, None]:
        """Yield them, from the beginning; raise an LlmsError where the client's body breaks off or is too large."""
        ...


@final
@dataclass(frozen=True, slots=True)
class PassRequest:
    """One request that an upstream is to get as it is, but for the model's id."""

    method: str
    path: str
    """Below the upstream's base address: `audio/speech`."""
    model: str = ""
    """Empty where the body names none: the upstream has one of its own, or needs none."""
    provider: str = ""
    """Who is asked where there is no model."""
    query: str = ""
    """As it stands in an address."""
    fields: Mapping[str, Any] | None = None
    """A body of JSON."""
    upload: Upload | None = None
    """Any other body."""
    content_type: str = ""
    hops: int = 0
    """How many `llms` nodes the request has passed; sent on as `x-llms-hops`."""
    request_id: str = ""
    progress: ClassVar[None] = None
    """There is nobody to tell how far an answer is."""

    @property
    def area(self) -> str:
        """Return what kind of thing is asked for."""
        return self.path.partition("/")[0]

    @property
    def repeatable(self) -> bool:
        """Tell whether another upstream can be asked the same."""
        return self.upload is None or self.upload.repeatable

    def for_model(self, model: str) -> PassRequest:
        """Return the same request under the upstream's own model id."""
        return self if model == self.model else replace(self, model=model)

    def encode(self) -> bytes:
        """Return the JSON body for an upstream; b"" where there is no such body."""
        if self.fields is None:
            return b""
        return json.dumps({**self.fields, "model": self.model} if self.model else self.fields)


class Passed(Protocol):
    """The answer of an upstream as it comes: a head, and bytes. Close it in any case."""

    @property
    def status(self) -> int:
        """Return the status: one of success, refusals are raised."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the head, by lower-case names."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes, b"" at the end; raise an LlmsError when the answer breaks off."""
        ...

    def close(self) -> None:
        """Stop the upstream's work, unless the answer was read to its end."""
        ...


def usage_in(body: bytes) -> Usage | None:
    """Return the tokens that a JSON answer tells of, in the words of chats or of newer routes; None for none."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    usage = found.get("usage") if isinstance(found, dict) else None
    if not isinstance(usage, dict):
        return None
    return Usage.of({_CHAT_WORDS.get(name, name): value for name, value in usage.items()})
