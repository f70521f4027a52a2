"""Read a stream that a lost connection cannot break: lose it on purpose, come back, and cancel another one.

pip install aiohttp
export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=none
python examples/resuming_example.py [MODEL]
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator

import aiohttp

QUESTION = "Hello! What can you do?"
HEADERS = {"X-LLMS-Stream": "resumable"}


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[int, str]]:
    """Yield id and data of each event; comments are left out."""
    event_id = 0
    async for line in answer.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "id":
            event_id = int(value)
        elif field == "data":
            yield event_id, value


def text_of(data: str) -> str:
    """Return the text of one event; raise RuntimeError for one that reports an error."""
    if data == "[DONE]":
        return ""
    chunk = json.loads(data)
    if "error" in chunk:
        raise RuntimeError(chunk["error"]["message"])
    return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])


async def interrupted(session: aiohttp.ClientSession, body: dict[str, object]) -> None:
    """Lose the connection after every few events, and come back until the stream is over."""
    stream_id, last, done, losses = "", 0, False, -1
    while not done:
        losses += 1
        request = (
            session.get(f"streams/{stream_id}", headers={"Last-Event-ID": str(last)})
            if stream_id
            else session.post("chat/completions", json=body, headers=HEADERS)
        )
        async with request as answer:
            answer.raise_for_status()
            stream_id = answer.headers["X-LLMS-Stream-Id"]
            until = last + 4
            async for last, data in events(answer):
                print(text_of(data), end="", flush=True)
                done = data == "[DONE]"
                if last == until:
                    break  # leaving the block closes the connection; the server goes on
    print(f"\n-- whole after {losses} lost connections, {last} events")
    async with session.get(f"streams/{stream_id}", headers={"Accept": "application/json"}) as answer:
        state = await answer.json()
    print(f"-- {state['status']}, {len(state['text'])} characters")


async def cancelled(session: aiohttp.ClientSession, body: dict[str, object]) -> None:
    """Stop a stream: closing the connection would not."""
    async with session.post("chat/completions", json=body, headers=HEADERS) as answer:
        stream_id = answer.headers["X-LLMS-Stream-Id"]
        async with session.delete(f"streams/{stream_id}") as deleted:
            print(f"-- cancelled: {(await deleted.json())['cancelled']}")


async def main() -> int:
    """Run all of it; return 0 when it went well."""
    base_url = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    key = os.environ.get("OPENAI_API_KEY") or "none"
    model = sys.argv[1] if len(sys.argv) > 1 else "local/demo"
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    try:
        async with aiohttp.ClientSession(f"{base_url}/", headers={"Authorization": f"Bearer {key}"}) as session:
            await interrupted(session, body)
            await cancelled(session, body)
    except (aiohttp.ClientError, RuntimeError) as error:
        print(f"{base_url}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
