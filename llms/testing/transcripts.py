"""Documented shapes of real upstreams' streams, to run any reader of streams against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from llms.testing.transcript import Transcript
from llms.testing.transcripts_hosted import HOSTED
from llms.testing.transcripts_local import LOCAL

__all__ = ["TRANSCRIPTS", "Transcript"]

TRANSCRIPTS: Final[Mapping[str, Transcript]] = {transcript.name: transcript for transcript in (*HOSTED, *LOCAL)}
"""Every shape by its name."""
