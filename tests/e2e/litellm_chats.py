"""Chat with a server through litellm and print what came of it as JSON; runs in an environment that has litellm.

python litellm_chats.py http://127.0.0.1:8000/v1
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

litellm.telemetry = False
litellm.suppress_debug_info = True
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def chat(base: str, said: str, **fields: Any) -> Any:
    """Send one chat; litellm's own attempts are off, so that the server's are seen alone."""
    return litellm.completion(
        model="openai/m",
        api_base=base,
        api_key="none",
        messages=[{"role": "user", "content": said}],
        max_retries=0,
        num_retries=0,
        **fields,
    )


def whole(base: str) -> dict[str, Any]:
    """Return a whole answer."""
    answer = chat(base, "text")
    usage = answer.usage
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "usage": [usage.prompt_tokens, usage.completion_tokens],
    }


def streamed(base: str, said: str, **fields: Any) -> dict[str, Any]:
    """Return a stream, put together as litellm's users do."""
    chunks = list(chat(base, said, stream=True, stream_options={"include_usage": True}, **fields))
    built = litellm.stream_chunk_builder(chunks)
    message, usage = built.choices[0].message, built.usage
    return {
        "text": "".join(c.choices[0].delta.content or "" for c in chunks if c.choices),
        "reasoning": "".join(getattr(c.choices[0].delta, "reasoning_content", None) or "" for c in chunks if c.choices),
        "finish": built.choices[0].finish_reason,
        "calls": [[call.id, call.function.name, call.function.arguments] for call in message.tool_calls or ()],
        "usage": [usage.prompt_tokens, usage.completion_tokens],
    }


def failure(base: str, said: str, **fields: Any) -> dict[str, Any]:
    """Return how a chat fails."""
    try:
        for _ in chat(base, said, **fields):
            pass
    except Exception as error:
        kind = type(error).__name__
        return {"class": kind, "status": getattr(error, "status_code", None), "message": str(error)}
    return {"class": None}


def main() -> None:
    """Have every chat once."""
    base = sys.argv[1]
    found = {
        "whole": whole(base),
        "stream": streamed(base, "text"),
        "tools": streamed(base, "tools", tools=[TOOL]),
        "thinking": streamed(base, "thinking"),
        "refused": failure(base, "refused"),
        "too long": failure(base, "too long"),
        "broken": failure(base, "broken", stream=True),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
