"""Context windows and prices of well-known models: looked up apart when first asked for, remembered from then on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, final

import structlog

from llms.protocol.tariff import Tariff

_log = structlog.get_logger()
_REMEMBERED: Final = 16_384
_PATIENCE: Final = 10.0
_ENVIRON: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT")
"""What Python needs to find itself and its packages."""
_COMMAND: Final = (sys.executable, "-P", "-m", "llms.model_facts.lookup")


class Asked(NamedTuple):
    """One model at one place: the address of its upstream, or the table's name of a vendor."""

    place: str
    model: str


@final
@dataclass(frozen=True, slots=True)
class Found:
    """What the table knows of a model."""

    context_window: int | None = None
    tariffs: Sequence[Tariff] = ()
    source: str = ""
    """The table and its version, by which its age is known."""


NOTHING: Final = Found()


def look_up(question: str, *, environ: Mapping[str, str]) -> str:
    """Ask the table in a process of its own, which sees no keys; raise OSError or subprocess.SubprocessError."""
    env = {name: environ[name] for name in _ENVIRON if name in environ}
    ran = subprocess.run(  # noqa: S603
        _COMMAND, input=question, env=env, capture_output=True, text=True, timeout=_PATIENCE, check=True
    )
    return ran.stdout


@final
class Table:
    """Answers of the table. Any thread may ask; one question is under way at a time."""

    def __init__(self, look_up: Callable[[str], str]) -> None:
        """Take how to ask: JSON in, JSON out, as module `lookup` says."""
        self._look_up = look_up
        self._known: dict[Asked, Found] = {}
        self._asking = threading.Lock()

    def known(self, asked: Collection[Asked]) -> Mapping[Asked, Found]:
        """Return what was found before."""
        return {each: self._known[each] for each in asked if each in self._known}

    def find(self, asked: Collection[Asked]) -> Mapping[Asked, Found]:
        """Return what the table knows of each, `NOTHING` of most; takes up to ten seconds when something is new."""
        with self._asking:
            if len(self._known) > _REMEMBERED:
                self._known = {}
            new = [each for each in dict.fromkeys(asked) if each not in self._known]
            if new:
                self._known |= dict(zip(new, self._ask(new), strict=True))
            return {each: self._known[each] for each in asked}

    def _ask(self, new: list[Asked]) -> list[Found]:
        try:
            told = json.loads(self._look_up(json.dumps(new)))
        except (OSError, subprocess.SubprocessError, ValueError) as failure:
            _log.warning("the table of prices cannot be read", error=str(failure), fix="pip install genai-prices")
            return [NOTHING] * len(new)
        return [_found(each, told["source"]) for each in told["found"]]


def _found(told: Mapping[str, Any] | None, source: str) -> Found:
    if told is None:
        return NOTHING
    return Found(told["context_window"], [Tariff(*each) for each in told["tariffs"]], source)
