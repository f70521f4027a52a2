"""Take values out of the node tree, with the environment put in and everything amiss reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from llms.config.expand import Missing, expand
from llms.config.nodes import REFUSED, Node
from llms.config.problems import Invalid, Path
from llms.config.report import Report
from llms.config.section import Section

AnySection = TypeVar("AnySection", bound=Section)


class Reading:
    """One pass over a document; `secret_paths` grows with every secret variable that goes in."""

    def __init__(self, root: Node, report: Report, *, environ: Mapping[str, str]) -> None:
        self.root = root
        self.report = report
        self.secret_paths: set[Path] = set()
        self._environ = environ

    def keys(self, path: Path, *, example: str | None = None) -> list[str]:
        """Return the keys of the mapping at `path`, none where nothing stands there."""
        node = self._at(path)
        if node is None or node.value is None or node.value is REFUSED:
            return []
        if not isinstance(node.value, dict):
            self.report.add(path, "must be a mapping", f"write {example}" if example else None)
            return []
        return list(node.value)

    def take(self, path: Path) -> tuple[Any, list[Missing]]:
        """Return the plain value at `path`, None where nothing stands there, and the variables it lacks."""
        node = self._at(path)
        if node is None:
            return None, []
        expansion = expand(node, path, environ=self._environ)
        self.secret_paths |= expansion.secret_paths
        self.report.secrets |= expansion.secrets
        self.report.settle(expansion.refused)
        for where, message, hint in expansion.broken:
            self.report.add(where, message, hint)
        self.report.settle(where for where, _, _ in expansion.broken)
        return expansion.value, expansion.missing

    def value(self, path: Path) -> Any:
        """Return the plain value at `path`; a variable that is not set is reported."""
        raw, missing = self.take(path)
        self.report_missing(missing)
        return raw

    def report_missing(self, missing: list[Missing]) -> None:
        """Report each variable that is not set."""
        for each in missing:
            how = f'set it, or give a default: "${{{each.variable}:-…}}"'
            self.report.add(each.path, f"the variable {each.variable} is not set", how)
        self.report.settle(each.path for each in missing)

    def section(self, path: Path, model: type[AnySection]) -> AnySection | None:
        """Return what stands at `path` as `model`; None where problems were reported."""
        return self.checked(path, self.value(path), model)

    def checked(self, path: Path, raw: Any, model: type[AnySection]) -> AnySection | None:
        """Return the plain value `raw` of `path` as `model`; None where problems were reported."""
        try:
            return model.read(raw)
        except Invalid as error:
            for problem in error.problems:
                self.report.add((*path, *problem.path), problem.message, problem.hint)
        return None

    def _at(self, path: Path) -> Node | None:
        node = self.root
        for step in path:
            entry = node.value.get(str(step)) if isinstance(node.value, dict) else None
            if entry is None:
                return None
            node = entry.node
        return node
