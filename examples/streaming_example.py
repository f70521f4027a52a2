"""Chat with a running `llms serve` through OpenAI's client: streamed, whole, cancelled half-way, with usage.

pip install openai
export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=none
python examples/streaming_example.py [MODEL]
"""

from __future__ import annotations

import os
import sys
import time

from openai import APIError, APIStatusError, OpenAI

QUESTION = "Hello! What can you do?"


def streamed(client: OpenAI, model: str) -> None:
    """Print an answer as it comes, then how long it took and what it used."""
    started = time.monotonic()
    first = None
    usage = None
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:  # the chunk that tells usage has none
            first = first or time.monotonic()
            print(choice.delta.content or "", end="", flush=True)
    ended = time.monotonic()
    print(f"\n-- first chunk after {((first or ended) - started) * 1000:.0f} ms, all after {ended - started:.2f} s")
    if usage is not None:
        print(f"-- {usage.prompt_tokens} tokens in, {usage.completion_tokens} out")


def whole(client: OpenAI, model: str) -> None:
    """Print an answer that comes in one piece."""
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": QUESTION}])
    print(answer.choices[0].message.content)
    print(f"-- finish reason {answer.choices[0].finish_reason}")


def cancelled(client: OpenAI, model: str, *, after: int) -> None:
    """Leave a stream after some chunks: closing it stops the work at the upstream."""
    seen = 0
    with client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": QUESTION}], stream=True
    ) as stream:
        for chunk in stream:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
            seen += 1
            if seen == after:
                break
    print(f"\n-- cancelled after {seen} chunks")


def refused(client: OpenAI) -> None:
    """Ask for a model that is not there: the message says what is, or how to get one."""
    try:
        client.chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": QUESTION}])
    except APIStatusError as error:
        print(f"-- {error.code}: {error.message}")


def main() -> int:
    """Run all of it; return 0 when it went well."""
    base_url = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    model = sys.argv[1] if len(sys.argv) > 1 else "local/demo"
    client = OpenAI(base_url=base_url, api_key=os.environ.get("OPENAI_API_KEY") or "none")
    try:
        streamed(client, model)
        whole(client, model)
        cancelled(client, model, after=3)
        refused(client)
    except APIError as error:
        print(f"{base_url}: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
