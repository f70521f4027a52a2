"""Which of the ids that a provider lists answer chats: OpenAI's list says of none of its models what it is for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_OTHER: Final = re.compile(
    r"embed|rerank|whisper|transcri|moderation|dall-e|imagen|sora|veo|(?<![a-z])(tts|image|audio|realtime|bge|e5)(?![a-z])"
    r"|davinci|babbage",
    re.IGNORECASE,
)
"""Names of models that don't."""


def first_chat_model(ids: Iterable[str]) -> str | None:
    """Return the first id that does not look like something else, otherwise the first; None for an empty list."""
    first = None
    for one in ids:
        if not _OTHER.search(one):
            return one
        first = first or one
    return first
