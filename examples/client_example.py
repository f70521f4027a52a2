"""Use the client library: a stream with progress, a whole answer, an early end, an error.

pip install .
export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=none
python examples/client_example.py [MODEL]
"""

from __future__ import annotations

import os
import sys

from llms import Client, ClientError, StreamBroken

QUESTION = "Hello! What can you do?"


def streamed(client: Client) -> None:
    """Print an answer as it comes; a connection that is lost on the way would not show."""
    speeds: list[float] = []
    stream = client.chat_stream(QUESTION, progress=lambda told: speeds.append(told.get("tokens_per_second", 0.0)))
    for chunk in stream:
        print(chunk.text, end="", flush=True)
    used = f"{stream.usage.completion_tokens} tokens" if stream.usage else "an unknown number of tokens"
    print(f"\n-- {stream.finish_reason}, {used}, {max(speeds):.0f} a second, {stream.reconnects} reconnects")


def whole(client: Client) -> None:
    """Ask for an answer in one piece."""
    reply = client.chat([{"role": "user", "content": QUESTION}], temperature=0, max_tokens=20)
    print(f"-- {len(reply.text)} characters, {reply.finish_reason}")


def cancelled(client: Client) -> None:
    """Stop half-way; the upstream stops as well."""
    with client.chat_stream(QUESTION) as stream:
        for chunk in stream:
            if chunk.text:
                break
    print(f"-- stopped after {len(stream.text)} characters")


def refused(client: Client) -> None:
    """Ask for a model that is not there."""
    try:
        client.generate(QUESTION, model="no-such-model")
    except ClientError as error:
        print(f"-- {error.code}: {error.message}")


def main() -> int:
    """Run all of it; return 0 when it went well."""
    base_url = os.environ.get("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")
    model = sys.argv[1] if len(sys.argv) > 1 else "local/demo"
    with Client(base_url, api_key=os.environ.get("OPENAI_API_KEY", ""), model=model) as client:
        try:
            streamed(client)
            whole(client)
            cancelled(client)
            refused(client)
        except StreamBroken as broken:
            print(f"{broken.message} What there was: {broken.partial!r}", file=sys.stderr)
            return 1
        except ClientError as error:
            print(error.message, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
