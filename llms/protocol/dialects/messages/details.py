"""Reasoning that must be given back as it came, in its two forms: details of a chat, and blocks of Messages.

Blocks hold what Anthropic signed. Details of other makers travel through a client of Messages in a redacted block of
ours; such blocks, and thinking that nobody signed, mean nothing to Anthropic and are never sent there. Clients leave
out thinking without a signature when they give it back, so that it gets one of ours.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llms.protocol import json

FORMAT: Final = "anthropic-claude-v1"
UNSIGNED: Final = "llms-unsigned"
"""The signature of thinking that nobody signed."""
_CARRIED: Final = "llms-reasoning:"


def detail_of(block: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return the detail that a block of thinking, redacted or not, stands for."""
    if block.get("type") == "redacted_thinking":
        data = str(block.get("data") or "")
        if data.startswith(_CARRIED):
            return _unpacked(data)
        return {"type": "reasoning.encrypted", "data": data, "format": FORMAT, "index": index}
    text, signature = str(block.get("thinking") or ""), str(block["signature"]) if is_signed(block) else ""
    return {"type": "reasoning.text", "text": text, "signature": signature, "format": FORMAT, "index": index}


def block_of(detail: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the block that a detail stands for; None for one whose text is told otherwise."""
    kind = detail.get("type")
    if detail.get("format") != FORMAT:
        return _packed(detail) if detail.get("data") or detail.get("signature") else None
    if kind == "reasoning.encrypted":
        return {"type": "redacted_thinking", "data": detail.get("data") or ""}
    if kind == "reasoning.text" and detail.get("signature"):
        return {"type": "thinking", "thinking": detail.get("text") or "", "signature": detail["signature"]}
    return None


def thought_of(said: Mapping[str, Any]) -> str:
    """Return the reasoning of a delta or a message, under either of its names."""
    found = said.get("reasoning_content") or said.get("reasoning")
    return found if isinstance(found, str) else ""


def blocks_in(details: Any) -> list[dict[str, Any]]:
    """Return the blocks that a list of details stands for; what is no such list has none."""
    found = [block_of(detail) for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    return [block for block in found if block is not None]


def is_signed(block: Mapping[str, Any]) -> bool:
    """Tell whether a block may be sent to Anthropic: all may but thinking that is not theirs."""
    kind = block.get("type")
    if kind == "thinking":
        return block.get("signature") not in (None, "", UNSIGNED)
    return kind != "redacted_thinking" or not str(block.get("data") or "").startswith(_CARRIED)


def signed_only(messages: Sequence[Any]) -> Sequence[Any]:
    """Return messages without reasoning that Anthropic never signed; the same ones when there is none."""
    return [_signed(message) for message in messages] if not all(map(_is_clean, messages)) else messages


def _is_clean(message: Any) -> bool:
    content = message.get("content") if isinstance(message, dict) and message.get("role") == "assistant" else None
    if not isinstance(content, list):
        return True
    return all(not isinstance(block, dict) or is_signed(block) for block in content)


def _signed(message: Any) -> Any:
    if _is_clean(message):
        return message
    kept = [block for block in message["content"] if not isinstance(block, dict) or is_signed(block)]
    return {**message, "content": kept}


def _packed(detail: Mapping[str, Any]) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(dict(detail))).decode()
    return {"type": "redacted_thinking", "data": _CARRIED + data}


def _unpacked(data: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.b64decode(data.removeprefix(_CARRIED), validate=True))
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"type": "reasoning.encrypted", "data": data, "format": FORMAT}
