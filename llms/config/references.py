"""Check what the rows of `models:` refer to: known providers, and stars that have a counterpart."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeGuard

from llms.config.names import TargetName
from llms.config.problems import Path, dotted
from llms.config.report import Report
from llms.config.values import Refusal, did_you_mean


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
