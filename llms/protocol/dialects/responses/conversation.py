"""Items as the messages of a chat: what an assistant said, thought and called in one turn is one message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

from llms.protocol import json
from llms.protocol.dialects.responses.asked import Item, refuse
from llms.protocol.dialects.responses.opaque import unseal
from llms.protocol.dialects.responses.parts import content_of, said
from llms.protocol.dialects.responses.tools import Untranslatable
from llms.protocol.errors import InvalidRequest, excerpt

_CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
_OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")


@final
class Conversation:
    """Take items in order, and hold the messages."""

    __slots__ = ("_calls", "_open", "messages")

    def __init__(self, instructions: str | None) -> None:
        """Begin with the instructions, where there are any."""
        self.messages: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None
        """The assistant's message that further items may belong to."""
        self._calls: set[str] = set()
        if instructions:
            self.messages.append({"role": "system", "content": instructions})

    def add(self, item: Item, where: str) -> None:
        """Take the next item; raise InvalidRequest, and Untranslatable for what chats have no word for."""
        kind = item["type"]
        if kind == "message":
            self._message(item, where)
        elif kind in _CALLS:
            self._call(item, where)
        elif kind in _OUTPUTS:
            self._output(item, where)
        elif kind == "reasoning":
            self._reasoning(item)
        elif kind == "item_reference":
            raise Untranslatable(
                f"`{where}` refers to the item {excerpt(item['id'], 80)!r}, which is not kept here: send the item.",
                param=where,
            )
        else:
            raise Untranslatable(
                f"`{where}` is a {excerpt(str(kind), 40)!r}, which only targets that speak the Responses API "
                "themselves understand. Leave it out, or ask for a model of such a target.",
                param=where,
            )

    def _message(self, item: Item, where: str) -> None:
        role = item["role"]
        if role == "assistant":
            self._said(item, where)
            return
        self._open = None
        content = content_of(item["content"], f"{where}.content")
        if role == "user":
            self.messages.append({"role": "user", "content": content})
            return
        # Upstreams other than OpenAI know no `developer`, and many templates only one message of the system's.
        first = self.messages[0] if len(self.messages) == 1 else None
        if first is not None and first["role"] == "system" and isinstance(content, str) and _is_text(first):
            first["content"] += f"\n\n{content}"
        else:
            self.messages.append({"role": "system", "content": content})

    def _said(self, item: Item, where: str) -> None:
        text, refusal = said(item["content"], f"{where}.content")
        message = self._open
        if message is None or message["content"] is not None:
            message = self._begin()
        message["content"] = text
        if refusal:
            message["refusal"] = refusal

    def _reasoning(self, item: Item) -> None:
        """Add what was thought; without a text it is a mark on what was said before, with one it begins anew."""
        thought = unseal(item)
        message = self._open
        if message is None or (thought.text and message["content"] is not None and "tool_calls" not in message):
            message = self._begin()
        if thought.text:
            message["reasoning_content"] = message.get("reasoning_content", "") + thought.text
        if thought.details:
            message["reasoning_details"] = [*message.get("reasoning_details", ()), *thought.details]

    def _call(self, item: Item, where: str) -> None:
        call_id, name = _named(item, "call_id", where), _named(item, "name", where)
        field = _CALLS[item["type"]]
        given = item.get(field)
        if not isinstance(given, str):
            refuse(f"{where}.{field}", "a string", given)
        arguments = given if field == "arguments" else json.dumps({"input": given}).decode()
        message = self._open or self._begin()
        call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        if "extra_content" in item:
            call["extra_content"] = item["extra_content"]
        message.setdefault("tool_calls", []).append(call)
        self._calls.add(call_id)

    def _output(self, item: Item, where: str) -> None:
        call_id = _named(item, "call_id", where)
        if call_id not in self._calls:
            raise InvalidRequest(
                f"`{where}.call_id` is {excerpt(call_id, 80)!r}, and no call with that id stands before it.",
                param=f"{where}.call_id",
            )
        self._open = None
        output = content_of(item.get("output"), f"{where}.output")
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": output})

    def _begin(self) -> dict[str, Any]:
        self._open = message = {"role": "assistant", "content": None}
        self.messages.append(message)
        return message


def _named(item: Item, name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value:
        refuse(f"{where}.{name}", "a non-empty string", value)
    return value


def _is_text(message: Mapping[str, Any]) -> bool:
    return isinstance(message["content"], str)
