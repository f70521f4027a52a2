"""What an SDK raises, as errors of ours: told by attributes and class names, so that no SDK is imported for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, final

from multidict import CIMultiDict

from llms.protocol import json
from llms.protocol.errors import (
    InvalidRequest,
    LlmsError,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTruncated,
    UpstreamUnreachable,
    excerpt,
)
from llms.protocol.refusals import Refusal, error_for, error_for_event, redact, request_id_of

_PACKAGES: Final = {"air": "airefinery-sdk"}
"""What to install where the package is not named like the module."""
_NEVER_THERE: Final = frozenset({"ConnectError", "ClientConnectorError", "gaierror", "ConnectionRefusedError"})
_CONNECTION: Final = frozenset(
    {*_NEVER_THERE, "ConnectionError", "APIConnectionError", "ClientConnectionError", "TransportError"}
)
_BROKEN_OFF: Final = frozenset({"ClientPayloadError", "IncompleteReadError", "ChunkedEncodingError"})
_CUT: Final = "complete message body"
_UNREADABLE: Final = frozenset(
    {"JSONDecodeError", "UnicodeDecodeError", "ValidationError", "ChunkValidationError", "DecodingError"}
)


class Unusable(Exception):
    """The configured client is not what the provider's row needs; the text says why."""


@final
class Failures:
    """The failures of one provider's SDK."""

    def __init__(self, name: str, location: str, *, secrets: Iterable[str], now: Callable[[], float]) -> None:
        """Take the provider's name, "module:Attribute" of its client, what to keep out of messages, and Unix time."""
        self.name = name
        self.secrets: tuple[str, ...] = ()
        self._location = location
        self._now = now
        for secret in secrets:
            self.keep_out(secret)

    def keep_out(self, secret: str) -> None:
        """Keep one more value out of every message; the longest is taken out first, as it may hold another."""
        self.secrets = tuple(sorted({*self.secrets, secret} - {""}, key=len, reverse=True))

    def building(self, failure: Exception) -> LlmsError:
        """Return our error for a client that could not be imported or built."""
        if isinstance(failure, Unusable):
            return UpstreamError(f"{self.name}: {failure}")
        if isinstance(failure, ImportError):
            return UpstreamError(f"{self.name}: {self._missing(failure)}")
        told = f"{self.name}: {self._location} cannot be built from its options: {self._described(failure)}"
        if "Authentication" in type(failure).__name__:
            # AI Refinery's client says so, with a status of 401, of an upstream that cannot be reached, too.
            return UpstreamAuthenticationFailed(
                f"{told}. Check api_key and base_url in providers.{self.name}.options and whether the upstream is up."
            )
        return self._known(failure, answered=False) or UpstreamError(told)

    def error(self, failure: Exception, *, answered: bool = False) -> LlmsError:
        """Return our error for whatever a chat failed with; `answered` tells that the upstream had begun to answer."""
        if (known := self._known(failure, answered=answered)) is not None:
            return known
        if isinstance(failure, UnicodeEncodeError):
            return InvalidRequest(f"{self.name}: the request holds half a character, which its SDK cannot send")
        if body := getattr(failure, "body", None):
            return error_for_event({"error": _plain(body)}, provider=self.name, secrets=self.secrets)
        if _UNREADABLE & _kinds(failure):
            return UpstreamProtocolError(
                f"{self.name}: the SDK cannot read the upstream's answer: {self._described(failure)}"
            )
        return UpstreamError(f"{self.name}: {self._described(failure)}")

    def listing(self, failure: Exception) -> LlmsError:
        """Return our error for a list of models that an SDK did not give."""
        return self._known(failure, answered=False) or UpstreamProtocolError(
            f"{self.name}: the SDK cannot list the models ({type(failure).__name__}). "
            f"Name their ids in providers.{self.name}.models."
        )

    def _known(self, failure: Exception, *, answered: bool) -> LlmsError | None:
        """Return our error for a refusal, a timeout or a connection; None for anything else."""
        if isinstance(failure, LlmsError):
            return failure
        if (status := _status(failure)) is not None:
            return self._refused(failure, status)
        kinds = _kinds(failure)
        if any("Timeout" in kind for kind in kinds):
            return UpstreamTimeout(f"{self.name}: the upstream did not answer in time ({type(failure).__name__})")
        words = _protocol_words(failure)
        if words and _CUT not in words:
            return UpstreamProtocolError(f"{self.name}: the upstream does not answer in HTTP")
        if words or kinds & _BROKEN_OFF or (answered and kinds & _CONNECTION and not kinds & _NEVER_THERE):
            return UpstreamTruncated(f"{self.name}: the upstream broke the connection before its answer was complete")
        if kinds & _CONNECTION or type(failure) is OSError:
            return UpstreamUnreachable(f"{self.name}: no connection to the upstream ({self._described(failure)})")
        return None

    def _refused(self, failure: Exception, status: int) -> LlmsError:
        told = _headers(failure)
        if status < 300 or (told is None and "ClientResponseError" in _kinds(failure)):
            # aiohttp gives what is no HTTP the status 400, too, but no headers.
            return UpstreamProtocolError(f"{self.name}: the upstream's answer is not of its dialect")
        headers = told or CIMultiDict[str]()
        if status == 401:
            error = UpstreamAuthenticationFailed(
                f"{self.name}: the upstream refused the key configured for it. Put a valid one into "
                f"providers.{self.name}.options.api_key (or the environment variable it names)."
            )
            error.upstream_request_id = request_id_of(headers, self.secrets)
            return error
        return error_for(Refusal(self.name, status, _body(failure), headers, now=self._now(), secrets=self.secrets))

    def _missing(self, failure: ImportError) -> str:
        module = self._location.partition(":")[0]
        package = module.partition(".")[0]
        if isinstance(failure, ModuleNotFoundError) and failure.name == package:
            name = _PACKAGES.get(package, package.replace("_", "-"))
            return f"the package of {self._location} is not installed. Install it with: pip install {name}"
        if isinstance(failure, ModuleNotFoundError) and failure.name and not failure.name.startswith(f"{package}."):
            return f"{module} needs the module {failure.name}. Install it with: pip install {failure.name}"
        return f"{module} cannot be imported: {excerpt(redact(str(failure), self.secrets))}"

    def _described(self, failure: Exception) -> str:
        told = failure.__cause__ if _CONNECTION & _kinds(failure) and failure.__cause__ else failure
        words = excerpt(redact(" ".join(str(told).split()), self.secrets))
        return f"{type(told).__name__}: {words}" if words else type(told).__name__


def _kinds(failure: BaseException) -> set[str]:
    """Return the class names of a failure and of what caused it."""
    own = {kind.__name__ for kind in type(failure).__mro__}
    return own | {kind.__name__ for kind in type(failure.__cause__).__mro__} if failure.__cause__ else own


def _protocol_words(failure: BaseException) -> str:
    """Return what httpx says of an answer that is broken as HTTP; it has one class for hanging up and for nonsense."""
    for told in (failure, failure.__cause__):
        if type(told).__name__ == "RemoteProtocolError" and "disconnected" not in str(told):
            return str(told)
    return ""


def _status(failure: Exception) -> int | None:
    for holder in (failure, getattr(failure, "response", None)):
        for name in ("status_code", "status"):
            value = getattr(holder, name, None)
            if isinstance(value, int) and 100 <= value <= 599:
                return int(value)
    return None


def _headers(failure: Exception) -> CIMultiDict[str] | None:
    """Return the headers of the answer behind a failure; None when there was none that could be read."""
    for holder in (getattr(failure, "response", None), failure):
        headers = getattr(holder, "headers", None)
        if headers is not None and hasattr(headers, "items"):
            return CIMultiDict((str(name), str(value)) for name, value in headers.items())
    return None


def _body(failure: Exception) -> bytes:
    """Return the body behind a refusal, or what the SDK kept of it."""
    try:
        content = getattr(getattr(failure, "response", None), "content", None)
    except Exception:
        content = None  # not read yet, and never will be
    if isinstance(content, bytes) and content:
        return content
    kept = getattr(failure, "body", None) or getattr(failure, "message", None)
    if isinstance(kept, dict | list):
        return json.dumps(_plain(kept))
    return kept if isinstance(kept, bytes) else str(kept or "").encode("utf-8", "replace")


def _plain(value: Any) -> Any:
    """Return a value that can be JSON: itself, or its text."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return str(value)
    return value
