"""The hub: which files a repository has, through huggingface_hub.

Only for that: its own downloads go on in whole blocks of 10 MB at best and check no checksum, so the bytes come
through `Fetch`.
"""

from __future__ import annotations

import asyncio
import importlib
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar, final

from llms.downloads.remote_file import RemoteFile
from llms.downloads.retry_after import seconds
from llms.downloads.source import checked_url, shown
from llms.protocol.errors import (
    InvalidRequest,
    LlmsError,
    NotFound,
    NotSupported,
    PermissionDenied,
    UpstreamAuthenticationFailed,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)

_ENDPOINT: Final = "https://huggingface.co"
_SECONDS: Final = 15.0
"""That the hub may be silent."""
_PATIENCE: Final = 60.0
"""Seconds for a whole listing."""
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
Result = TypeVar("Result")


@final
@dataclass(frozen=True, slots=True)
class Hub:
    """Where the hub is, and who asks."""

    endpoint: str
    token: str = field(repr=False)

    @property
    def place(self) -> str:
        """Return its address for messages."""
        return shown(self.endpoint)

    async def files(self, repo: str) -> list[RemoteFile]:
        """List a repository's files as they are now; raise an LlmsError."""
        try:
            async with asyncio.timeout(_PATIENCE):
                return await _apart(lambda: self._files(repo))
        except TimeoutError:
            raise UpstreamTimeout(f"{self.place} did not list {repo} within {_PATIENCE:g} s.") from None

    def _files(self, repo: str) -> list[RemoteFile]:
        library = _library()
        errors = importlib.import_module("huggingface_hub.errors")
        api = library.HfApi(endpoint=self.endpoint, token=self.token or False, library_name="llms")
        try:
            info = api.model_info(repo, files_metadata=True, timeout=_SECONDS)
            return [self._file(library, repo, str(info.sha), sibling) for sibling in info.siblings or ()]
        except errors.HFValidationError:
            raise InvalidRequest(f"{repo} cannot be the name of a repository on the hub.", param="source") from None
        except errors.HfHubHTTPError as refusal:
            raise self._refused(refusal, repo) from None
        except (errors.HTTPError, OSError) as failure:
            raise UpstreamUnreachable(f"{self.place} cannot be reached ({type(failure).__name__}).") from None
        except ImportError as missing:
            raise NotSupported(f"The proxy to {self.place} needs a library that is missing: {missing}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise UpstreamProtocolError(f"{self.place} does not answer like the hub. Is HF_ENDPOINT right?") from None

    def _file(self, library: Any, repo: str, commit: str, sibling: Any) -> RemoteFile:
        path = str(sibling.rfilename)
        url = library.hf_hub_url(repo, path, revision=commit, endpoint=self.endpoint)
        size, sha256 = sibling.size, sibling.lfs.sha256 if sibling.lfs else None
        if not isinstance(size, int | None) or (sha256 is not None and not _SHA256.fullmatch(sha256)):
            raise ValueError("neither a size nor a checksum")
        return RemoteFile(url, path, sha256 or url, size, sha256)

    def _refused(self, refusal: Any, repo: str) -> LlmsError:
        """Return our error for one of the hub's answers; a hidden repository is 401 to strangers and 404 to others."""
        response = refusal.response
        status = response.status_code if response is not None else 0
        here = f"{repo} on {self.place}"
        if status == 429:
            patience = seconds(response.headers.get("Retry-After", ""))
            text = f"{self.place} asks for patience (429); try again later, or set HF_TOKEN."
            return UpstreamOverloaded(text, status=429, retry_after=patience)
        if status == 401 and self.token:
            return UpstreamAuthenticationFailed(f"{self.place} refused HF_TOKEN, or {repo} does not exist.")
        if status == 401:
            return NotFound(f"There is no {here}, or it is private: then set HF_TOKEN.", param="source")
        if status == 403:
            return PermissionDenied(f"{here} is gated: accept its terms there and set HF_TOKEN.")
        if status in (404, 410):
            return NotFound(f"There is no {here}.", param="source")
        return UpstreamError(f"{self.place} answered {status or 'nothing'} when asked for {repo}.")


def hub_of(environ: Mapping[str, str]) -> Hub:
    """Return the hub that HF_ENDPOINT names, or the public one; raise InvalidRequest for what is no address."""
    endpoint = environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _ENDPOINT
    return Hub(checked_url(endpoint), environ.get("HF_TOKEN", "").strip())


def _library() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise NotSupported(
            "The hub is asked through huggingface_hub, which is missing: pip install 'llms[local]'"
        ) from None


async def _apart(work: Callable[[], Result]) -> Result:
    """Run blocking work in a thread that nobody waits for, so that a silent hub holds up no exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def run() -> None:
        try:
            tell = partial(done.set_result, work())
        except BaseException as failure:  # whatever it is, who waits must hear of it
            tell = partial(done.set_exception, failure)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: done.done() or tell())

    threading.Thread(target=run, name="hub", daemon=True).start()
    return await done
