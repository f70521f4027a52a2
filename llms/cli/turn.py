"""The turns of a chat: those so far, and the next one: ask, show the answer as it arrives, tell how it went."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, final

from llms.cli.paper import Paper
from llms.cli.whom import Answering
from llms.protocol.chat import ChunkObject, Usage

Content = str | list[dict[str, Any]]


@final
class Conversation:
    """One system prompt and the turns after it, which are sent again with each new one."""

    def __init__(self, *, model: str, system: str | None = None) -> None:
        """Begin with nothing said."""
        self.model = model
        self.system = system
        self._turns: list[dict[str, Any]] = []

    def request(self, content: Content, *, stream: bool) -> dict[str, Any]:
        """Return the body that asks for the next turn; it counts as said when `keep` is called."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return {
            "model": self.model,
            "messages": [*system, *self._turns, {"role": "user", "content": content}],
            "stream": stream,
            **({"stream_options": {"include_usage": True}} if stream else {}),
        }

    def keep(self, content: Content, answer: str) -> None:
        """Remember a turn, with as much of the answer as there was."""
        self._turns += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]

    def clear(self) -> None:
        """Forget every turn."""
        self._turns.clear()


@final
@dataclass(slots=True)
class Turn:
    """What is known of an answer, also of one that was stopped; times are in seconds."""

    text: str = ""
    model: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    ttft: float | None = None
    seconds: float = 0.0
    pieces: int = 0
    """How many pieces the text came in."""

    def summary(self) -> str:
        """Return one line: model, tokens, times and speed, as far as they are known."""
        parts = [self.model] if self.model else []
        if self.usage is not None:
            parts.append(f"{self.usage.prompt_tokens} tokens in, {self.usage.completion_tokens} out")
        if self.ttft is not None:
            parts.append(f"first token {self.ttft:.2f} s")
        parts.append(f"{self.seconds:.2f} s")
        writing = self.seconds - (self.ttft or 0.0)
        if self.usage is not None and self.usage.completion_tokens > 1 and self.pieces > 1 and writing > 0:
            parts.append(f"{(self.usage.completion_tokens - 1) / writing:.1f} tokens/s")
        return " · ".join(parts)


async def take_turn(answering: Answering, body: Mapping[str, Any], paper: Paper, turn: Turn) -> None:
    """Fill in `turn` while the answer arrives; raise an LlmsError. Cancelling stops the upstream."""
    started = time.monotonic()
    try:
        async with aclosing(answering.chat(body)) as chunks:
            async for item in chunks:
                _read(item, turn, paper, time.monotonic() - started)
    finally:
        turn.seconds = time.monotonic() - started


def _read(item: ChunkObject, turn: Turn, paper: Paper, elapsed: float) -> None:
    turn.model = str(item.get("model") or turn.model)
    turn.usage = Usage.of(item.get("usage")) or turn.usage
    for choice in item.get("choices") or ():
        delta = choice.get("delta") or {}
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        words = delta.get("content") or delta.get("refusal")
        if turn.ttft is None and (thought or words):
            turn.ttft = elapsed
        if isinstance(thought, str) and thought:
            paper.think(thought)
        if isinstance(words, str) and words:
            turn.text += words
            turn.pieces += 1
            paper.write(words)
        turn.finish_reason = choice.get("finish_reason") or turn.finish_reason
