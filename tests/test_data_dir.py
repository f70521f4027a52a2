"""Tests leave the data of whoever runs them alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from llms.app import data_dir
from llms.config.model import Config

WHERE = "import os; from llms.app import data_dir; from llms.config.model import Config; print(data_dir(Config(), {}))"


def test_no_test_writes_into_the_data_of_the_user() -> None:
    own = Path.home() / ".local" / "share"
    told = subprocess.run([sys.executable, "-c", WHERE], capture_output=True, text=True, check=True).stdout.strip()
    places = [data_dir(Config(), os.environ), data_dir(Config(), {}), Path(told)]
    assert not [place for place in places if place.is_relative_to(own)]
