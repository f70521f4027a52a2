"""What an answer says, streamed or whole."""

from __future__ import annotations

import json

from tests.proxy import Reply


def said(reply: Reply) -> str:
    """Return the text of a whole answer; of a stream only when it was whole too."""
    if reply.headers["content-type"].startswith("text/event-stream"):
        return reply.text if reply.done else ""
    return str(json.loads(reply.body)["choices"][0]["message"]["content"]) if reply.status == 200 else ""
