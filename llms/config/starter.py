"""Hold the file that a new user starts from."""

from __future__ import annotations

from importlib.resources import files


def starter() -> str:
    """Return the commented providers.yaml that `llms config init` writes; it starts in an empty environment."""
    return files("llms.config").joinpath("starter.yaml").read_text(encoding="utf-8")
