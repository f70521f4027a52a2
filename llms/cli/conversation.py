"""The messages of one chat: what was said so far and is sent again with each turn."""

from __future__ import annotations

from typing import Any, final

Content = str | list[dict[str, Any]]


@final
class Conversation:
    """One system prompt and the turns after it."""

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
