"""Say how providers, models and targets may be named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from llms.config.values import REFERENCE, Refusal, Value

PROVIDER_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)
MODEL_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,300}")


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
        if not slash or not model or not PROVIDER_NAME.fullmatch(provider):
            raise Refusal("must name a provider and its model", 'write "provider/model"')
        if not MODEL_NAME.fullmatch(model):
            raise Refusal("holds white space or is too long", "write the model's id as the provider lists it")
        if raw.count("*") > 1:
            raise Refusal('may hold one "*" only')
        return raw

    def schema(self) -> dict[str, Any]:
        pattern = rf"^[A-Za-z0-9][A-Za-z0-9_.-]{{0,99}}/(?=\S)[^\s*]*\*?[^\s*]*$|{REFERENCE}"
        return {"type": ["string", "null"] if self.optional else "string", "pattern": pattern}


def check_provider_name(name: str) -> None:
    """Raise Refusal where `name` cannot name a provider."""
    if "/" in name:
        raise Refusal('a provider\'s name cannot hold "/"', "it separates provider and model")
    if not PROVIDER_NAME.fullmatch(name):
        raise Refusal("this cannot name a provider", 'use letters, digits, "_", "." and "-", a letter or digit first')


def check_model_name(name: str) -> None:
    """Raise Refusal where `name` cannot name a model."""
    if not MODEL_NAME.fullmatch(name):
        raise Refusal("this cannot name a model", "it is empty, holds white space or is longer than 300")
    if name.count("*") > 1:
        raise Refusal('a name may hold one "*" only', "give each pattern a row of its own")
