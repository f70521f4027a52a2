"""Read the rows of `providers:` and `models:`.

A provider row is merged over the defaults, and its own keys are checked by who knows the provider. A model row must
lead to providers that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from llms.config.expand import Missing
from llms.config.model import Conduct, Defaults, ModelRow, ProviderRow
from llms.config.names import TargetName, check_model_name, check_provider_name
from llms.config.problems import Complaint, Invalid, Path, dotted
from llms.config.reading import Reading
from llms.config.report import Report
from llms.config.values import Flag, Refusal, did_you_mean

ValidateOptions: TypeAlias = Callable[[str, Mapping[str, Any]], Sequence[Complaint]]
"""Takes a provider type and the own keys of a row; returns what is wrong with them (OptionProblem or the like),
with the path ("type",) for a type that does not exist."""

_SHARED = tuple(Conduct.fields())
_RESERVED = ("type", "enabled", *_SHARED)


def read_providers(
    reading: Reading, *, defaults: Defaults, validate_options: ValidateOptions
) -> tuple[dict[str, ProviderRow], dict[str, str], dict[str, ProviderRow]]:
    """Return the provider rows by name, why others are left out, and the rows of those."""
    rows: dict[str, ProviderRow] = {}
    skipped: dict[str, str] = {}
    left_out: dict[str, ProviderRow] = {}
    for name in _names(reading, "providers", check_provider_name, example="{name: {type: openai}}"):
        row, reason = _read_row(name, reading, defaults, validate_options)
        if reason is not None:
            skipped[name] = reason
        if row is not None:
            (rows if reason is None else left_out)[name] = row
    return rows, skipped, left_out


def _names(reading: Reading, section: str, check: Callable[[str], None], *, example: str) -> Iterator[str]:
    """Yield the names of the rows of a section; one that cannot be a name is reported."""
    for name in reading.keys((section,), example=example):
        try:
            check(name)
        except Refusal as refusal:
            reading.report.add((section, name), refusal.message, refusal.hint)
        yield name


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
        return ProviderRow.read({"name": name, "options": options, **shared}), reason
    except Invalid as error:
        for problem in error.problems:
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
    merged: dict[str, Any] = {key: getattr(defaults, key) for key in _SHARED}
    given = {key: raw[key] for key in ("type", *_SHARED) if key in raw}
    for key in ("timeouts", "limits"):
        if isinstance(given.get(key), dict):
            given[key] = merged[key].as_dict() | given[key]
        elif key in given and given[key] is None:
            del given[key]
    return merged | given


def read_models(reading: Reading) -> tuple[dict[str, ModelRow], dict[str, Any]]:
    """Return the rows of `models:` that are valid, and all of them as they were written."""
    models: dict[str, ModelRow] = {}
    written: dict[str, Any] = {}
    for name in _names(reading, "models", check_model_name, example='{name: {targets: ["provider/model"]}}'):
        written[name] = reading.value(("models", name))
        row = reading.checked(("models", name), written[name], ModelRow)
        if row is not None:
            models[name] = row
    return models, written


def check_references(
    models: Mapping[str, Any],
    *,
    report: Report,
    configured: Collection[str],
    skipped: Mapping[str, str],
    discovered: Collection[str],
    discover: bool,
) -> list[str]:
    """Report targets that cannot be, and return notes on those that are only left out for now.

    `models` are the rows as they were written, so that one mistake in a row does not hide another. `configured`
    are the names of provider rows, `discovered` those that discovery may bring where `discover` is on.
    """
    notes: list[str] = []
    for name, row in models.items():
        for path, target in _targets(name, row):
            if "*" in target and "*" not in name:
                hint = "put a * into the name too, or write the model's id"
                report.add(path, 'a "*" here needs one in the name', hint)
            provider = target.partition("/")[0]
            if provider in skipped:
                notes.append(f"{dotted(path[:4])}: provider {provider} is left out: {skipped[provider]}")
            elif provider not in configured and not (discover and provider in discovered):
                known = [*configured, *discovered] if discover else list(configured)
                way_out = _way_out(provider, report, known, is_found=provider in discovered)
                report.add(path, f'no provider is named "{provider}"', way_out)
    return notes


def _targets(name: str, row: Any) -> Iterator[tuple[Path, str]]:
    """Yield every target of the row that is well formed."""
    if not isinstance(row, dict):
        return
    targets = row.get("targets")
    for position, target in enumerate(targets if isinstance(targets, list) else ()):
        text = target.get("target") if isinstance(target, dict) else target
        if _is_target(text):
            yield ("models", name, "targets", position, "target"), text
    overflow = row.get("on_context_overflow")
    if _is_target(overflow):
        yield ("models", name, "on_context_overflow"), overflow


def _is_target(written: Any) -> TypeGuard[str]:
    try:
        return TargetName().read(written) is not None
    except Refusal:
        return False


def _way_out(provider: str, report: Report, names: list[str], *, is_found: bool) -> str | None:
    if report.crowded:
        return None
    if is_found:
        return f'add a row "{provider}" under providers, or write discover: true'
    return did_you_mean(provider, names) or f'add a row "{provider}" under providers'
