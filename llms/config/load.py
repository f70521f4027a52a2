"""Find, read and check providers.yaml; report everything that is wrong with it at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from llms.config.compose import compose
from llms.config.model import SECTIONS, Config, Defaults
from llms.config.problems import ConfigError, OptionProblem, Problem
from llms.config.reading import Reading
from llms.config.report import Report
from llms.config.rows import ValidateOptions, check_references, read_models, read_providers
from llms.config.source import checked, read
from llms.config.values import Flag, Refusal, did_you_mean

__all__ = [
    "FILENAME",
    "ConfigError",
    "OptionProblem",
    "Problem",
    "ValidateOptions",
    "find",
    "load",
    "loads",
    "user_directory",
    "without_file",
]

FILENAME = "providers.yaml"
_UNBUILT = ("cluster", "budgets")
_KNOWN = ("discover", "providers", "models", *SECTIONS)


def find(explicit: str | None, *, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """Return the file to load: `explicit`, LLMS_CONFIG, ./providers.yaml, or that of the user; None for none.

    A file that was named is returned even where it does not exist, so that loading it says so.
    """
    named = explicit or environ.get("LLMS_CONFIG")
    if named:
        return cwd / os.path.expanduser(named)
    candidates = (cwd / FILENAME, user_directory(environ) / FILENAME)
    return next((path for path in candidates if os.path.isfile(path)), None)


def user_directory(environ: Mapping[str, str]) -> Path:
    """Return where the user's own configuration lies."""
    given = environ.get("XDG_CONFIG_HOME")
    if given and Path(given).is_absolute():
        return Path(given) / "llms"
    if sys.platform == "linux" and environ.get("HOME"):
        return Path(environ["HOME"]) / ".config" / "llms"
    import platformdirs

    return platformdirs.user_config_path("llms", appauthor=False)


def without_file() -> Config:
    """Return the configuration of a start without a file: defaults, and discovery on."""
    return Config(discover=True)


def load(
    path: Path,
    *,
    environ: Mapping[str, str],
    validate_options: ValidateOptions,
    known_providers: Collection[str] = (),
) -> Config:
    """Return what the file says; raise ConfigError with every problem. See `loads`."""
    return loads(
        read(path),
        filename=str(path),
        environ=environ,
        validate_options=validate_options,
        known_providers=known_providers,
    )


def loads(
    text: str,
    *,
    filename: str,
    environ: Mapping[str, str],
    validate_options: ValidateOptions,
    known_providers: Collection[str] = (),
) -> Config:
    """Return what `text` says; raise ConfigError with every problem.

    `known_providers` are names that discovery may bring, so that targets may use them where it is on.
    """
    report = Report(checked(text, filename=filename))
    root = compose(report)
    report.root = root
    if root is None or root.value is None:
        report.raise_if_any()
        return Config(source=filename)
    if not isinstance(root.value, dict):
        report.raise_if_any()
        report.add((), "the file must be a mapping", 'write "providers:" at the left margin and rows below it')
        raise report.error()
    reading = Reading(root, report, environ=environ)
    config = _build(reading, filename, validate_options, known_providers)
    report.raise_if_any()
    return config


def _build(
    reading: Reading, filename: str, validate_options: ValidateOptions, known_providers: Collection[str]
) -> Config:
    """Read every section; where one has problems, its defaults stand in so that the others are checked too."""
    _check_keys(reading)
    sections: dict[str, Any] = {name: reading.section((name,), model) or model() for name, model in SECTIONS.items()}
    defaults: Defaults = sections["defaults"]
    discover = _discover(reading)
    rows, skipped, left_out = read_providers(reading, defaults=defaults, validate_options=validate_options)
    models, written = read_models(reading)
    notes = check_references(
        written,
        report=reading.report,
        configured=reading.keys(("providers",)),
        skipped=skipped,
        discovered=known_providers,
        discover=discover,
    )
    return Config(
        discover=discover,
        providers=rows,
        models=models,
        skipped=skipped,
        left_out=left_out,
        notes=tuple(notes),
        source=filename,
        secret_paths=frozenset(reading.secret_paths),
        **sections,
    )


def _check_keys(reading: Reading) -> None:
    for key in reading.keys(()):
        if key in _UNBUILT and reading.value((key,)) is not None:
            reading.report.add((key,), "not built yet", "remove it")
        elif key not in _KNOWN and key not in _UNBUILT:
            hint = None if reading.report.crowded else did_you_mean(key, _KNOWN)
            reading.report.add((key,), "unknown key", hint or f"known keys are {', '.join(_KNOWN)}")


def _discover(reading: Reading) -> bool:
    raw = reading.value(("discover",))
    try:
        return raw is not None and bool(Flag().read(raw))
    except Refusal as refusal:
        reading.report.add(("discover",), refusal.message, refusal.hint)
        return False
