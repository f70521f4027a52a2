"""The client of somebody's SDK: imported and built once, in a thread of its own; asked; let go at the end."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any, Final, final

from yarl import URL

from llms.config.secret import SecretStr
from llms.protocol.chat import ChatRequest
from llms.protocol.errors import InvalidRequest, UpstreamTimeout
from llms.providers._sdk_failures import Failures, Unusable

BUILD_SECONDS: Final = 60.0
"""How long one request waits for a constructor; some ask their server for leave first, without a limit of their own."""

_KEY_WORDS: Final = ("key", "token", "secret", "auth", "cookie", "password", "credential")
_OURS: Final = frozenset({"model", "messages", "stream"})
_CONTROLS: Final = frozenset(
    {
        *("self", "timeout", "extra_headers", "extra_query", "extra_body", "headers", "max_retries", "http_client"),
        *("api_key", "base_url", "api_base", "api_version", "organization", "project", "idempotency_key"),
    }
)
"""Arguments that steer an SDK: a field of this name in a client's body stays a field of the body."""


def hidden(value: Any, *, secret: bool = False) -> Any:
    """Return option values with every text under a key-like name as a SecretStr."""
    if isinstance(value, dict):
        return {key: hidden(inner, secret=secret or _is_key(key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [hidden(inner, secret=secret) for inner in value]
    return SecretStr(value) if secret and isinstance(value, str) else value


def shown(value: Any) -> Any:
    """Return option values as an SDK wants them: what was hidden in the clear."""
    if isinstance(value, dict):
        return {key: shown(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shown(inner) for inner in value]
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def secrets_of(value: Any) -> Iterator[str]:
    """Yield what must not reach a message: hidden texts, the token after a scheme, passwords of addresses."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from secrets_of(inner)
    elif isinstance(value, SecretStr):
        yield from {value.get_secret_value(), *value.get_secret_value().split()[-1:]}
    elif isinstance(value, str) and "://" in value and "@" in value:
        yield _password(value)


def _is_key(name: object) -> bool:
    return any(word in str(name).lower() for word in _KEY_WORDS)


def _password(address: str) -> str:
    try:
        return URL(address).password or ""
    except ValueError:
        return ""


@final
@dataclass(frozen=True, slots=True)
class Built:
    """A client that stands, and what its `chat.completions.create` (or `embeddings.create`) can be told."""

    sdk: Any
    create: Callable[..., Any]
    named: frozenset[str]
    open: bool
    """Any other name is a field of the body too (`**params`)."""

    def method(self, path: str) -> Built | None:
        """Return the same client as it does something else, say `images.generate`; None where it does not.

        Where the SDK shows the HTTP answer as it came, that is what the method gives.
        """
        *parents, last = path.split(".")
        resource = self.sdk
        for name in parents:
            resource = getattr(resource, name, None)
        found = getattr(resource, last, None)
        if not callable(found):
            return None
        shown = getattr(getattr(resource, "with_raw_response", None), last, None)
        return Built(self.sdk, shown if callable(shown) else found, *_parameters(found))

    def arguments(self, request: ChatRequest, *, stream: bool, ask_usage: bool) -> dict[str, Any]:
        """Return the arguments that make the SDK send every field of the client, with our model and stream.

        Fields that `create` does not name go into `extra_body`; InvalidRequest where it has none.
        """
        fields = {name: value for name, value in request.body.items() if name not in _OURS}
        if not stream:
            fields.pop("stream_options", None)
        elif ask_usage and not request.include_usage:
            fields["stream_options"] = {**(fields.get("stream_options") or {}), "include_usage": True}
        given = {"model": request.model, "messages": request.body.get("messages", []), "stream": stream}
        return {**given, **self._told(fields, hops=request.hops)}

    def arguments_of(self, body: Mapping[str, Any], *, hops: int, given: Collection[str]) -> dict[str, Any]:
        """Return the arguments for a body that is no chat, by the same rules; `given` are sent under their own name."""
        fields = {name: value for name, value in body.items() if name not in given}
        return {**{name: body[name] for name in given if name in body}, **self._told(fields, hops=hops)}

    def _told(self, fields: dict[str, Any], *, hops: int) -> dict[str, Any]:
        """Return the arguments for fields of a body, and for our own header."""
        given: dict[str, Any] = {name: fields.pop(name) for name in list(fields) if self._takes(name)}
        if fields:
            given["extra_body"] = self._more(fields)
        if "extra_headers" in self.named:
            given["extra_headers"] = {"x-llms-hops": str(hops + 1)}
        return given

    def _takes(self, name: str) -> bool:
        if name in _CONTROLS or name.startswith("_"):
            return False
        return self.open or name in self.named

    def _more(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields for `extra_body`; an SDK with `**params` sends it under that very name."""
        if "extra_body" not in self.named:
            field = next(iter(fields))
            raise InvalidRequest(f'the SDK of this model cannot send the field "{field}"', param=field)
        inner = fields.get("extra_body")
        if self.open and isinstance(inner, dict):
            return {**inner, **{name: value for name, value in fields.items() if name != "extra_body"}}
        return fields


@final
class SdkClient:
    """What "module:Attribute" builds, when it is needed first; whoever comes meanwhile waits for the same one."""

    def __init__(self, location: str, options: Mapping[str, Any], *, failures: Failures) -> None:
        """Keep what to build; nothing is imported yet."""
        self._location = location
        self._options = options
        self._failures = failures
        self._building: Future[Built] | None = None

    async def built(self) -> Built:
        """Return the client, building it if need be; raise an LlmsError, and try anew at the next call."""
        building = self._building
        if building is None or (building.done() and building.exception() is not None):
            building = self._building = _in_thread(self._build, name=f"sdk-{self._location}")
        try:
            async with asyncio.timeout(BUILD_SECONDS):
                return await asyncio.wrap_future(building)
        except Exception as failure:
            self._forget(building)
            error = self._failures.building(failure) if building.done() else self._late()
        # Outside of the block: what an SDK raised may hold a key, and must not hang on as context.
        raise error

    async def close(self) -> None:
        """Close the client, if one was built, by whichever method it has."""
        building, self._building = self._building, None
        if building is None or not building.done() or building.exception() is not None:
            return
        sdk = building.result().sdk
        if not await let_go(sdk, "close", "aclose") and hasattr(sdk, "__aexit__"):
            await sdk.__aexit__(None, None, None)

    def _forget(self, building: Future[Built]) -> None:
        if self._building is building:
            self._building = None

    def _late(self) -> UpstreamTimeout:
        return UpstreamTimeout(f"{self._failures.name}: {self._location} was not ready within {BUILD_SECONDS:g} s")

    def _build(self) -> Built:
        factory = self._factory()
        named, _ = _parameters(factory)
        # The gateway retries; an SDK that does so too multiplies the attempts.
        options = {**({"max_retries": 0} if "max_retries" in named else {}), **shown(self._options)}
        sdk = factory(**options)
        if isinstance(key := getattr(sdk, "api_key", None), str):
            self._failures.keep_out(key)
        _stay_here(sdk)
        try:
            create = sdk.chat.completions.create
        except AttributeError:
            raise Unusable(f"{self._location} has no chat.completions.create") from None
        return Built(sdk, create, *_parameters(create))

    def _factory(self) -> Callable[..., Any]:
        path, _, attribute = self._location.partition(":")
        module = importlib.import_module(path)
        factory = getattr(module, attribute, None)
        if not callable(factory):
            raise Unusable(f'the module "{path}" has no "{attribute}" that can be called')
        if hasattr(module, f"Async{attribute}"):
            raise Unusable(f'"{self._location}" would block the server while it waits: use "{path}:Async{attribute}"')
        return factory  # type: ignore[no-any-return]


def _stay_here(sdk: Any) -> None:
    """Keep the HTTP client inside OpenAI's and its likes from following redirects, as our own does not."""
    http = getattr(sdk, "_client", None)
    if http is not None and isinstance(getattr(http, "follow_redirects", None), bool):
        http.follow_redirects = False


def _in_thread(work: Callable[[], Built], *, name: str) -> Future[Built]:
    """Start work in a daemon thread, which cannot hold up the end of the process if it hangs."""
    outcome: Future[Built] = Future()
    outcome.set_running_or_notify_cancel()
    Thread(target=_deliver, args=(work, outcome), name=name, daemon=True).start()
    return outcome


def _deliver(work: Callable[[], Built], outcome: Future[Built]) -> None:
    try:
        outcome.set_result(work())
    except Exception as failure:
        outcome.set_exception(failure)
    except BaseException as failure:
        # A module that calls sys.exit() must not end the server that imports it.
        outcome.set_exception(Unusable(f"its SDK gave up with {type(failure).__name__}"))


def _parameters(callee: Callable[..., Any]) -> tuple[frozenset[str], bool]:
    """Return the names that a callable takes, and whether it takes any."""
    try:
        found = inspect.signature(callee).parameters.values()
    except (TypeError, ValueError):
        return frozenset(), True
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = frozenset(parameter.name for parameter in found if parameter.kind in kinds)
    return names, any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in found)


async def let_go(thing: Any, *names: str) -> bool:
    """Call the first of the named methods that a thing has, awaiting it where it is asynchronous."""
    method = next((found for name in names if callable(found := getattr(thing, name, None))), None)
    if method is None:
        return False
    outcome = method()
    if inspect.isawaitable(outcome):
        await outcome
    return True
