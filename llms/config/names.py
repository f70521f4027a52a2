"""Say how providers, models and targets may be named, and the places where usage and state are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from llms.config.values import REFERENCE, Refusal, Value

_PROVIDER = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_MODEL = r"(?=\S)[^\s*]*\*?[^\s*]*"
PROVIDER_PATTERN = f"^{_PROVIDER}$"
MODEL_PATTERN = f"^{_MODEL}$"
"""For editors, which bound the length by LONGEST_MODEL."""
LONGEST_MODEL = 300

_PROVIDER_NAME = re.compile(_PROVIDER)
_MODEL_NAME = re.compile(rf"[^\s\x00-\x1f\x7f]{{1,{LONGEST_MODEL}}}")
_FILE = re.compile(r"sqlite:///[^\x00\n]+")
_REDIS = re.compile(r"redis|rediss?://[^\s/]+(/\d*)?(\?\S*)?")


@dataclass(frozen=True, slots=True)
class TargetName(Value):
    """`provider/model`; the model's own id may hold more slashes, and one `*`."""

    optional: bool = False

    def read(self, raw: object, /) -> str | None:
        if raw is None and self.optional:
            return None
        if not isinstance(raw, str):
            raise Refusal('must be text: "provider/model"')
        provider, slash, model = raw.partition("/")
        if not slash or not model or not _PROVIDER_NAME.fullmatch(provider):
            raise Refusal("must name a provider and its model", 'write "provider/model"')
        if not _MODEL_NAME.fullmatch(model):
            raise Refusal("holds white space or is too long", "write the model's id as the provider lists it")
        if raw.count("*") > 1:
            raise Refusal('may hold one "*" only')
        return raw

    def schema(self) -> dict[str, Any]:
        pattern = rf"^{_PROVIDER}/{_MODEL}$|{REFERENCE}"
        return {"type": ["string", "null"] if self.optional else "string", "pattern": pattern}


@dataclass(frozen=True, slots=True)
class UsagePlace(Value):
    """`sqlite` (in the server's own folder), `sqlite:///path`, or `none`."""

    def read(self, raw: object, /) -> str:
        if isinstance(raw, str) and (raw in ("sqlite", "none") or _FILE.fullmatch(raw)):
            return raw
        raise Refusal("must be sqlite, sqlite:///PATH or none")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^(sqlite|none|sqlite:///.+)$|{REFERENCE}"}


@dataclass(frozen=True, slots=True)
class StatePlace(Value):
    """`memory`, or the address of a Redis; plain `redis` is the one on this machine."""

    def read(self, raw: object, /) -> str:
        if raw == "memory":
            return "memory"
        if not isinstance(raw, str) or not _REDIS.fullmatch(raw):
            raise Refusal("must be memory or the address of a Redis", "write it like redis://localhost:6379/0")
        if find_spec("redis") is None:
            raise Refusal("needs a package that is not installed", "pip install 'llms[redis]'")
        return "redis://127.0.0.1:6379/0" if raw == "redis" else raw

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^(memory|redis|rediss?://.+)$|{REFERENCE}"}


def check_provider_name(name: str) -> None:
    """Raise Refusal where `name` cannot name a provider."""
    if "/" in name:
        raise Refusal('a provider\'s name cannot hold "/"', "it separates provider and model")
    if not _PROVIDER_NAME.fullmatch(name):
        raise Refusal("this cannot name a provider", 'use letters, digits, "_", "." and "-", a letter or digit first')


def check_model_name(name: str) -> None:
    """Raise Refusal where `name` cannot name a model."""
    if not _MODEL_NAME.fullmatch(name):
        raise Refusal("this cannot name a model", "it is empty, holds white space or is longer than 300")
    if name.count("*") > 1:
        raise Refusal('a name may hold one "*" only', "give each pattern a row of its own")
