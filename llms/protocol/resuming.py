"""What an error says of a stream that could be resumed."""

from __future__ import annotations

from typing import NamedTuple


class Resuming(NamedTuple):
    """Where an error ended a resumable stream for its reader."""

    stream_id: str
    last_event_id: int
    """The last event before the error."""
    resumable: bool = False
    """The reader may come back for what follows."""
    partial: str | None = None
    """The text so far, where the events that brought it are gone."""
