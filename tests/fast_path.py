"""Which of its two paths the server takes in tests that do not name one."""

from __future__ import annotations

import os
from typing import Final

FAST_PATH: Final = os.environ.get("LLMS_TESTS_FAST_PATH") != "off"
"""`server.fast_path`: what is tested of server, gateway and whole processes has to hold with it and without."""
EITHER: Final = ("server", "gateway", "e2e")
"""The folders of those tests."""
OF_THEIR_OWN: Final = ("browser", "clients")
"""Marks of tests that drive large programs, which see nothing of the path that the others don't."""
