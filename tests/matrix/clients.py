"""The dialects that clients speak, those of OpenAI asked and read here: as a few lines of anybody's program would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.matrix.client import STEADY, STOPS, Client, Event, Json
from tests.matrix.facts import Call, Case, Facts, Failure, Spent, canonical
from tests.matrix.messages_client import Messages


class Chat:
    """OpenAI's chat completions, the dialect that all others are translated through."""

    name, path = "chat completions", "/v1/chat/completions"

    def body(self, case: Case, model: str) -> Json:
        system = [{"role": "system", "content": case.system}] if case.system else []
        content: Any = case.question
        if case.image:
            url = "data:" + case.image.replace(",", ";base64,")
            content = [{"type": "text", "text": case.question}, {"type": "image_url", "image_url": {"url": url}}]
        body: Json = {
            "model": model,
            "messages": [*system, {"role": "user", "content": content}],
            "max_tokens": case.limit,
        }
        if case.tools:
            body["tools"] = [_function(tool) for tool in case.tools]
            named = {"type": "function", "function": {"name": case.choice}}
            body["tool_choice"] = case.choice if case.choice in ("auto", "required") else named
        if case.schema:
            form = {"name": "city", "schema": case.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body | ({"reasoning_effort": "low"} if case.thinks else {}) | STEADY

    def again(self, case: Case, asked: Json, answer: Json, *, stored: bool) -> Json:
        said = answer["choices"][0]["message"]
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": text}
            for call, text in zip(said["tool_calls"], case.results, strict=True)
        ]
        return {**asked, "messages": [*asked["messages"], said, *results], "tool_choice": "auto"}

    def fold(self, events: Sequence[Event]) -> Json:
        assert events[-1][1] == "[DONE]"
        message: Json = {"role": "assistant", "content": ""}
        calls: dict[int, Json] = {}
        found: Json = {"usage": None}
        for _, item in events[:-1]:
            found["usage"] = item.get("usage") or found["usage"]
            for choice in item["choices"]:
                delta = choice["delta"]
                message["content"] += delta.get("content") or ""
                if thought := delta.get("reasoning_content"):
                    message["reasoning_content"] = message.get("reasoning_content", "") + thought
                if details := delta.get("reasoning_details"):
                    message.setdefault("reasoning_details", []).extend(details)
                for piece in delta.get("tool_calls") or ():
                    _add_piece(calls, piece)
                found["choices"] = [{"finish_reason": choice["finish_reason"], "message": message}]
        if calls:
            message["tool_calls"] = list(calls.values())
        return found

    def facts(self, answer: Json) -> Facts:
        [choice] = answer["choices"]
        said = choice["message"]
        calls = [
            Call(call["id"], call["function"]["name"], canonical(call["function"]["arguments"]))
            for call in said.get("tool_calls") or ()
        ]
        stop = STOPS[choice["finish_reason"]]
        thought = said.get("reasoning_content") or ""
        return Facts(
            said["content"] or "", thought, tuple(calls), stop, _usage(answer["usage"], "prompt", "completion")
        )

    def failure(self, status: int, told: Any) -> Failure:
        error = told["error"]
        assert error.keys() >= {"message", "type", "param", "code"}
        return Failure(status, error["code"], error["message"])

    def broken(self, events: Sequence[Event]) -> Failure:
        *before, (_, last) = events
        text = "".join(choice["delta"].get("content") or "" for _, item in before for choice in item["choices"])
        return self.failure(200, last)._replace(before=text)


class Responses:
    """OpenAI's Responses."""

    name, path = "Responses", "/v1/responses"

    def body(self, case: Case, model: str) -> Json:
        given: Any = case.question
        if case.image:
            url = "data:" + case.image.replace(",", ";base64,")
            parts = [{"type": "input_text", "text": case.question}, {"type": "input_image", "image_url": url}]
            given = [{"role": "user", "content": parts}]
        body: Json = {"model": model, "input": given, "max_output_tokens": case.limit}
        if case.system:
            body["instructions"] = case.system
        if case.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "name": tool["name"],
                    "description": tool["description"],
                    "parameters": tool["schema"],
                    "strict": True,
                }
                for tool in case.tools
            ]
            named = {"type": "function", "name": case.choice}
            body["tool_choice"] = case.choice if case.choice in ("auto", "required") else named
        if case.schema:
            form = {"type": "json_schema", "name": "city", "schema": case.schema, "strict": True}
            body["text"] = {"format": form}
        if case.thinks:
            body |= {"reasoning": {"effort": "low", "summary": "auto"}, "include": ["reasoning.encrypted_content"]}
        return body | STEADY

    def again(self, case: Case, asked: Json, answer: Json, *, stored: bool) -> Json:
        calls = [item for item in answer["output"] if item["type"] == "function_call"]
        results = [
            {"type": "function_call_output", "call_id": call["call_id"], "output": text}
            for call, text in zip(calls, case.results, strict=True)
        ]
        more = {**asked, "tool_choice": "auto"}
        if stored:
            return {**more, "previous_response_id": answer["id"], "input": results}
        question = {"role": "user", "content": asked["input"]}
        return {**more, "store": False, "input": [question, *answer["output"], *results]}

    def fold(self, events: Sequence[Event]) -> Json:
        assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
        name, last = events[-1]
        assert name in ("response.completed", "response.incomplete")
        text = "".join(event["delta"] for kind, event in events if kind == "response.output_text.delta")
        given = "".join(event["delta"] for kind, event in events if kind == "response.function_call_arguments.delta")
        response: Json = last["response"]
        assert text == _text_in(response), "the deltas are the text"
        whole = [item["arguments"] for item in response["output"] if item["type"] == "function_call"]
        assert sorted(given) == sorted("".join(whole)), "the deltas are the arguments"
        return response

    def facts(self, answer: Json) -> Facts:
        calls = [
            Call(item["call_id"], item["name"], canonical(item["arguments"]))
            for item in answer["output"]
            if item["type"] == "function_call"
        ]
        thoughts = [item for item in answer["output"] if item["type"] == "reasoning"]
        thought = "".join(part["text"] for item in thoughts for part in item["summary"])
        reason = (answer["incomplete_details"] or {}).get("reason")
        assert answer["status"] == ("incomplete" if reason else "completed")
        stop = STOPS[reason] if reason else "calls" if calls else "stop"
        usage = _usage(answer["usage"], "input", "output")
        return Facts(_text_in(answer), thought, tuple(calls), stop, usage)

    def failure(self, status: int, told: Any) -> Failure:
        return Chat().failure(status, told)

    def broken(self, events: Sequence[Event]) -> Failure:
        *before, (error, told), (name, last) = events
        assert (error, name, last["response"]["status"]) == ("error", "response.failed", "failed")
        assert last["response"]["error"]["message"] == told["message"]
        text = "".join(event["delta"] for kind, event in before if kind == "response.output_text.delta")
        return Failure(200, told["code"], told["message"], text)


class Completions:
    """OpenAI's legacy completions: one text in, one text out."""

    name, path = "completions", "/v1/completions"

    def body(self, case: Case, model: str) -> Json:
        body: Json = {"model": model, "prompt": case.question, "max_tokens": case.limit}
        if case.image:
            url = "data:" + case.image.replace(",", ";base64,")
            body["prompt"] = [case.question, {"type": "image_url", "image_url": {"url": url}}]
        if case.tools and not case.thinks:
            body["tools"] = [_function(tool) for tool in case.tools]
        if case.schema:
            form = {"name": "city", "schema": case.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body | ({"reasoning_effort": "low"} if case.thinks else {}) | STEADY

    def again(self, case: Case, asked: Json, answer: Json, *, stored: bool) -> Json:
        raise AssertionError("a completion calls no tools")

    def fold(self, events: Sequence[Event]) -> Json:
        assert events[-1][1] == "[DONE]"
        items = [item for _, item in events[:-1]]
        choices = [choice for item in items for choice in item["choices"]]
        usage = next((item["usage"] for item in reversed(items) if item.get("usage")), None)
        ends = [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
        text = "".join(choice["text"] for choice in choices)
        return {"choices": [{"text": text, "finish_reason": ends[-1]}], "usage": usage}

    def facts(self, answer: Json) -> Facts:
        [choice] = answer["choices"]
        usage = _usage(answer["usage"], "prompt", "completion")
        return Facts(choice["text"], stop=STOPS[choice["finish_reason"]], usage=usage)

    def failure(self, status: int, told: Any) -> Failure:
        return Chat().failure(status, told)

    def broken(self, events: Sequence[Event]) -> Failure:
        *before, (_, last) = events
        text = "".join(choice["text"] for _, item in before for choice in item["choices"])
        return self.failure(200, last)._replace(before=text)


CLIENTS: Sequence[Client] = (Chat(), Responses(), Messages(), Completions())


def _function(tool: Mapping[str, Any]) -> Json:
    function = {"name": tool["name"], "description": tool["description"], "parameters": tool["schema"]}
    return {"type": "function", "function": function}


def _add_piece(calls: dict[int, Json], piece: Json) -> None:
    call = calls.setdefault(piece["index"], {"type": "function", "function": {"name": "", "arguments": ""}})
    call |= {name: piece[name] for name in ("id", "extra_content") if name in piece}
    for name, text in piece.get("function", {}).items():
        call["function"][name] += text or ""


def _text_in(response: Json) -> str:
    said = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in said for part in item["content"])


def _usage(usage: Json, prompt: str, answer: str) -> Spent:
    of_prompt = usage.get(f"{prompt}_tokens_details") or {}
    of_answer = usage.get(f"{answer}_tokens_details") or {}
    return Spent(
        usage[f"{prompt}_tokens"],
        usage[f"{answer}_tokens"],
        of_prompt.get("cached_tokens", 0),
        of_prompt.get("cache_write_tokens", 0),
        of_answer.get("reasoning_tokens", 0),
    )
