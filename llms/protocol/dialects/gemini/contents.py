"""Messages as Gemini's contents: roles, function calls and their results, signatures given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from llms.protocol.dialects.gemini.media import parts_of, text_of
from llms.protocol.dialects.gemini.naming import is_third_generation
from llms.protocol.dialects.reading import arguments, refused
from llms.protocol.errors import InvalidRequest

TEXT_SIGNATURE: Final = "google-gemini-v1"
"""The format of `reasoning_details` that hold the signature of a text."""
_UNSIGNED: Final = "skip_thought_signature_validator"
"""What "Thought signatures" names for calls that another model made, or whose signature is lost."""

Part = dict[str, Any]
SignatureOf = Callable[[str], str | None]
"""Return the signature of a call by its id, where it is known."""


class Contents:
    """Translate the messages of one chat."""

    def __init__(self, messages: Sequence[Mapping[str, Any]], *, model: str, signature_of: SignatureOf) -> None:
        """Take the messages, the upstream's model id and what remembers signatures."""
        self._messages = messages
        self._is_third = is_third_generation(model)
        self._signature_of = signature_of
        self._names: dict[str, str] = {}
        """Of the functions, by the id of their call."""

    def system(self) -> Part | None:
        """Return `systemInstruction`: what all system messages say, wherever they stand."""
        found = [
            {"text": text_of(message.get("content"), f"messages[{place}].content")}
            for place, message in enumerate(self._messages)
            if message["role"] in ("system", "developer")
        ]
        return {"parts": found} if found else None

    def contents(self) -> list[dict[str, Any]]:
        """Return `contents`: results that follow each other are one; InvalidRequest when nothing is left to answer."""
        found: list[dict[str, Any]] = []
        answering = False
        for place, message in enumerate(self._messages):
            is_result = message["role"] == "tool"
            parts = self._parts(message, f"messages[{place}]")
            if is_result and answering:
                found[-1]["parts"] += parts
            elif parts:
                found.append({"role": "model" if message["role"] == "assistant" else "user", "parts": parts})
            answering = is_result or (answering and not parts)
        if not found:
            raise InvalidRequest("`messages` needs one message that is not of the system.", param="messages")
        return found

    def _parts(self, message: Mapping[str, Any], where: str) -> list[Part]:
        role = message["role"]
        if role in ("system", "developer"):
            return []
        if role == "user":
            return parts_of(message.get("content"), f"{where}.content")
        if role == "assistant":
            return [*self._said(message, where), *self._calls(message, where)]
        if role == "tool":
            return self._result(message, where)
        raise refused(f"{where}.role", "must be system, developer, user, assistant or tool", role)

    def _said(self, message: Mapping[str, Any], where: str) -> list[Part]:
        """Return what the model said, its signatures on the last parts as they are kept."""
        parts = parts_of(message.get("content") or message.get("refusal"), f"{where}.content")
        parts = [part for part in parts if part.get("text") != ""]
        signatures = list(_signatures(message))
        if signatures and not parts:
            parts = [{"text": ""}]
        if signatures:
            parts[-1] = {**parts[-1], "thoughtSignature": signatures[-1]}
        return parts

    def _calls(self, message: Mapping[str, Any], where: str) -> list[Part]:
        parts = [
            self._call(call, f"{where}.tool_calls[{place}]")
            for place, call in enumerate(message.get("tool_calls") or ())
        ]
        if parts and self._is_third and not any("thoughtSignature" in part for part in parts):
            parts[0]["thoughtSignature"] = _UNSIGNED
        return parts

    def _call(self, call: Mapping[str, Any], where: str) -> Part:
        function = call.get("function")
        if not isinstance(function, dict):
            raise refused(where, "must be a function call for Gemini")
        call_id = call.get("id") or ""
        self._names[call_id] = function["name"]
        args = arguments(function.get("arguments"), f"{where}.function.arguments")
        called = {**({"id": call_id} if call_id else {}), "name": function["name"], "args": args}
        signature = _carried(call) or self._signature_of(call_id)
        return {"functionCall": called, **({"thoughtSignature": signature} if signature else {})}

    def _result(self, message: Mapping[str, Any], where: str) -> list[Part]:
        call_id = message.get("tool_call_id") or ""
        name = self._names.get(call_id) or message.get("name")
        if not name:
            raise refused(f"{where}.tool_call_id", "must be the id of a tool call in an assistant message before it")
        parts = parts_of(message.get("content"), f"{where}.content")
        text = "".join(part["text"] for part in parts if "text" in part)
        media = [part for part in parts if "text" not in part]
        response: dict[str, Any] = {
            **({"id": call_id} if call_id else {}),
            "name": name,
            "response": {"error" if message.get("is_error") else "output": text},
        }
        # "Function calling": media belong into the result from Gemini 3 on, and beside it before.
        if media and self._is_third:
            response["parts"] = media
        return [{"functionResponse": response}, *([] if self._is_third else media)]


def _signatures(message: Mapping[str, Any]) -> Iterator[str]:
    details = message.get("reasoning_details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and detail.get("format") == TEXT_SIGNATURE and isinstance(detail.get("data"), str):
            yield detail["data"]


def _carried(call: Mapping[str, Any]) -> str | None:
    """Return the signature that a call brought back from its client, where Google's own endpoint has it too."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None
