"""Cancel in three ways with OpenAI's asynchronous client, each of which stops the upstream.

pip install openai
export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=none
python examples/cancel_example.py [MODEL]

`llms serve` logs each as one request with the outcome `cancelled`.
"""

from __future__ import annotations

import asyncio
import os
import sys

from openai import APIError, AsyncOpenAI

QUESTION = "Tell me everything about yourself."


async def tell(client: AsyncOpenAI, model: str, heard: asyncio.Event) -> None:
    """Print an answer as it comes; `heard` is set with the first text."""
    stream = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    async with stream:
        async for chunk in stream:
            text = chunk.choices[0].delta.content or ""
            print(text, end="", flush=True)
            if text:
                heard.set()


async def by_task(client: AsyncOpenAI, model: str) -> None:
    """Cancel the task that reads: what a web server does when its own client leaves."""
    heard = asyncio.Event()
    task = asyncio.create_task(tell(client, model, heard))
    await asyncio.wait({task, asyncio.create_task(heard.wait())}, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("\n-- the task was cancelled")


async def by_timeout(client: AsyncOpenAI, model: str) -> None:
    """Give an answer a bounded time, connecting and thinking included."""
    try:
        async with asyncio.timeout(0.005):
            await tell(client, model, asyncio.Event())
    except TimeoutError:
        print("\n-- the time was over")


async def by_leaving(client: AsyncOpenAI, model: str) -> None:
    """Leave the loop; `async with` closes the stream."""
    stream = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], stream=True
    )
    async with stream:
        async for chunk in stream:
            print(chunk.choices[0].delta.role)
            break
    print("-- left after the first chunk")


async def main() -> int:
    """Run all of it; return 0 when it went well."""
    base_url = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    model = sys.argv[1] if len(sys.argv) > 1 else "local/demo"
    async with AsyncOpenAI(base_url=base_url, api_key=os.environ.get("OPENAI_API_KEY") or "none") as client:
        try:
            await by_task(client, model)
            await by_timeout(client, model)
            await by_leaving(client, model)
        except APIError as error:
            print(f"{base_url}: {error.message}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
