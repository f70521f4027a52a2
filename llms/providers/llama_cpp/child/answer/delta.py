"""What an answer is made of, once the model's text is understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Said:
    """Text for the client."""

    text: str


@final
@dataclass(frozen=True, slots=True)
class Thought:
    """Text that the model wrote to itself before its answer."""

    text: str


@final
@dataclass(frozen=True, slots=True)
class Called:
    """A tool call begins."""

    name: str


@final
@dataclass(frozen=True, slots=True)
class Argued:
    """More of the arguments, JSON text, of the call that began last."""

    text: str


Delta = Said | Thought | Called | Argued
