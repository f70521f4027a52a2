"""Say where usage and shared state may be kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from llms.config.values import REFERENCE, Refusal, Value

_FILE = re.compile(r"sqlite:///[^\x00\n]+")
_REDIS = re.compile(r"redis(s?://.*)?", re.DOTALL)


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
    """`memory`; redis is known and not built yet."""

    def read(self, raw: object, /) -> str:
        if raw == "memory":
            return "memory"
        if isinstance(raw, str) and _REDIS.fullmatch(raw):
            raise Refusal("redis is not built yet", "write memory")
        raise Refusal("must be memory")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^memory$|{REFERENCE}"}
