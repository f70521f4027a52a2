"""Read the provider rows: the shared keys merged over the defaults, the rest checked by who knows the provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import ValidationError

from llms.config.expand import Missing
from llms.config.model import Conduct, Defaults, ProviderRow
from llms.config.names import check_provider_name
from llms.config.problems import Complaint
from llms.config.reading import Reading
from llms.config.values import Flag, Refusal, did_you_mean
from llms.config.wording import problems_of

ValidateOptions: TypeAlias = Callable[[str, Mapping[str, Any]], Sequence[Complaint]]
"""Takes a provider type and the own keys of a row; returns what is wrong with them (OptionProblem or the like),
with the path ("type",) for a type that does not exist."""

SHARED = tuple(Conduct.model_fields)
_RESERVED = ("type", "enabled", *SHARED)


def read_rows(
    reading: Reading, *, defaults: Defaults, validate_options: ValidateOptions
) -> tuple[dict[str, ProviderRow], dict[str, str]]:
    """Return the provider rows by name, and those left out with the reason."""
    rows: dict[str, ProviderRow] = {}
    skipped: dict[str, str] = {}
    for name in reading.keys(("providers",), example="{name: {type: openai}}"):
        try:
            check_provider_name(name)
        except Refusal as refusal:
            reading.report.add(("providers", name), refusal.message, refusal.hint)
        row, reason = _read_row(name, reading, defaults, validate_options)
        if reason is not None:
            skipped[name] = reason
        elif row is not None:
            rows[name] = row
    return rows, skipped


def _read_row(
    name: str, reading: Reading, defaults: Defaults, validate_options: ValidateOptions
) -> tuple[ProviderRow | None, str | None]:
    path = ("providers", name)
    raw, missing = reading.take(path)
    if not isinstance(raw, dict):
        reading.report.add(path, "must be a mapping", "write {type: openai, …}")
        return None, None
    reason = _reason(raw, missing, reading, name)
    if reason is None:
        reading.report_missing(missing)
    reading.report.settle([each.path for each in missing])
    options = {key: value for key, value in raw.items() if key not in _RESERVED}
    _check_options(raw, options, reading, name, validate_options)
    shared = _merged(raw, defaults)
    try:
        return ProviderRow.model_validate({"name": name, "options": options, **shared}), reason
    except ValidationError as error:
        for problem in problems_of(error, ProviderRow):
            hint = "such as type: openai" if problem.message.startswith("needs") else problem.hint
            reading.report.add((*path, *problem.path), problem.message, hint)
    return None, reason


def _reason(raw: dict[str, Any], missing: list[Missing], reading: Reading, name: str) -> str | None:
    """Say why the row is left out: switched off, or the variable of an `api_key` is not set."""
    path = ("providers", name, "enabled")
    try:
        if path not in [each.path for each in missing] and not Flag().read(raw.get("enabled", True)):
            return "disabled"
    except Refusal as refusal:
        reading.report.add(path, refusal.message, refusal.hint)
    if not any("api_key" in each.path for each in missing):
        return None
    return f"needs {' and '.join(dict.fromkeys(each.variable for each in missing))}"


def _check_options(
    raw: dict[str, Any], options: dict[str, Any], reading: Reading, name: str, validate_options: ValidateOptions
) -> None:
    """Report what the provider's own check says; in a skipped row, missing variables stand there as written."""
    if not isinstance(raw.get("type"), str) or not raw["type"].strip():
        return
    for problem in validate_options(raw["type"], options):
        meant = None
        is_open = problem.hint is None or not problem.hint.startswith("did you mean")
        if is_open and problem.message.startswith("unknown key") and len(problem.path) == 1:
            meant = None if reading.report.crowded else did_you_mean(str(problem.path[0]), _RESERVED)
        reading.report.add(("providers", name, *problem.path), problem.message, meant or problem.hint)


def _merged(raw: dict[str, Any], defaults: Defaults) -> dict[str, Any]:
    """Return type and shared keys, each key of the row over that of the defaults, also inside the mappings."""
    merged: dict[str, Any] = {key: getattr(defaults, key) for key in SHARED}
    given = {key: raw[key] for key in ("type", *SHARED) if key in raw}
    for key in ("timeouts", "limits"):
        if isinstance(given.get(key), dict):
            given[key] = dict(merged[key]) | given[key]
        elif key in given and given[key] is None:
            del given[key]
    return merged | given
