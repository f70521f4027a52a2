"""What a benchmark request asks for and what its answer must be; the upstream and the load share it."""

import re
from dataclasses import dataclass
from typing import Any

import orjson

MODEL = "gpt-4o-mini"
TAG_LENGTH = 8
DONE = b"data: [DONE]\n\n"
PADDING = "déjà vu, again and again; "  # two letters outside ASCII, so that re-encoded text is noticed
MOST_CHUNKS = 100_000
LARGEST_SIZE = 1_000_000
LONGEST_INTERVAL_MS = 60_000.0
PATTERN = re.compile(r"BENCH chunks=(\d{1,6}) interval_ms=(\d{1,5}(?:\.\d{1,3})?) size=(\d{1,7}) tag=(\S{8})(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Script:
    """One scripted answer.

    `size` is the characters of each chunk's text, or of the whole plain answer; `interval_ms` 0 means all in
    one write; `tag` is unique to a request and stands in each piece of its answer.
    """

    chunks: int = 1
    interval_ms: float = 0.0
    size: int = 16
    tag: str = "0" * TAG_LENGTH

    def prompt(self) -> str:
        """Write the line that a user message begins with."""
        return f"BENCH chunks={self.chunks} interval_ms={self.interval_ms:g} size={self.size} tag={self.tag}\n"

    def text(self, seq: int) -> str:
        """Write the text of one chunk: tag, sequence number, then padding up to `size` characters."""
        head = f"{self.tag}{seq:06d}"
        missing = max(self.size - len(head), 0)
        return head + (PADDING * (missing // len(PADDING) + 1))[:missing]

    def usage(self) -> dict[str, int]:
        """Count the tokens that the answer claims; the prompt's count is made up."""
        return {"prompt_tokens": 11, "completion_tokens": self.chunks, "total_tokens": 11 + self.chunks}


def read_script(content: object) -> Script:
    """Read the script from a user message's content; ValueError when it has none or asks for too much."""
    found = PATTERN.match(content) if isinstance(content, str) else None
    if found is None:
        raise ValueError("the user message must begin with 'BENCH chunks=N interval_ms=N size=N tag=XXXXXXXX'")
    script = Script(int(found[1]), float(found[2]), int(found[3]), found[4])
    if not 1 <= script.chunks <= MOST_CHUNKS or script.size > LARGEST_SIZE:
        raise ValueError(f"chunks must be 1 to {MOST_CHUNKS}, size at most {LARGEST_SIZE}")
    if script.interval_ms > LONGEST_INTERVAL_MS:
        raise ValueError(f"interval_ms must be at most {LONGEST_INTERVAL_MS:g}")
    return script


def completion(script: Script) -> bytes:
    """Write the whole plain answer as a chat.completion."""
    message = {"role": "assistant", "content": script.text(0), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return orjson.dumps(
        {"object": "chat.completion", "choices": [choice], "usage": script.usage(), **_identity(script)}
    )


def stream_blocks(script: Script, *, usage: bool) -> list[bytes]:
    """Write the streamed answer as server-sent events, one block for each content chunk.

    The role's event stands in the first block; finish reason, usage (when asked for) and [DONE] in the last.
    """
    blocks = [_event(script, {"content": script.text(seq)}, usage_asked=usage) for seq in range(script.chunks)]
    blocks[0] = _event(script, {"role": "assistant", "content": ""}, usage_asked=usage) + blocks[0]
    blocks[-1] += _event(script, {}, usage_asked=usage, finish="stop")
    if usage:
        blocks[-1] += _data({**_chunk(script), "choices": [], "usage": script.usage()})
    blocks[-1] += DONE
    return blocks


def _event(script: Script, delta: dict[str, str], *, usage_asked: bool, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    empty = {"usage": None} if usage_asked else {}  # OpenAI says so in each chunk of a stream that was asked for usage
    return _data({**_chunk(script), "choices": [choice], **empty})


def _chunk(script: Script) -> dict[str, Any]:
    return {"object": "chat.completion.chunk", **_identity(script)}


def _identity(script: Script) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-bench-{script.tag}",
        "created": 1_700_000_000,
        "model": MODEL,
        "service_tier": "default",
        "system_fingerprint": "fp_bench000",
    }


def _data(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
