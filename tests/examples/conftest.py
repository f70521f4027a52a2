"""The command line in a home of its own."""

from tests.cli.conftest import home, llms_apart

__all__ = ["home", "llms_apart"]
