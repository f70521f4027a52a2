"""What an answer has to look like: the grammar that a request asks for in one of several ways."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from llms.providers.llama_cpp.child.answer.forced_call import AFTER_ARGUMENTS, BEFORE_ARGUMENTS, BEFORE_NAME
from llms.providers.llama_cpp.child.grammars.grammar import Grammar, either, literal
from llms.providers.llama_cpp.child.grammars.json_schema import SchemaRules
from llms.providers.llama_cpp.child.grammars.schema_parts import Schema, Unwritable

_NO_SCHEMA: Final = "no grammar can be made of this JSON schema"
_MALFORMED: Final = (TypeError, AttributeError, KeyError, RecursionError, OverflowError)
"""What reading a schema comes to when something in it is of the wrong kind or endlessly deep."""


@final
@dataclass(frozen=True, slots=True)
class Form:
    """What an answer has to look like."""

    grammar: str
    """GBNF; the answer is `root`."""
    trouble: str
    """What to say if llama.cpp cannot read it."""


def must_call(body: Mapping[str, Any]) -> bool:
    """Tell whether the answer has to be a tool call."""
    return body.get("tool_choice") == "required" and bool(body.get("tools"))


def may_call(body: Mapping[str, Any]) -> bool:
    """Tell whether the answer may be a tool call, or has to be."""
    return body.get("tool_choice", "auto") != "none" and bool(body.get("tools"))


def form_of(body: Mapping[str, Any]) -> Form | None:
    """Return what the answer has to look like, None for a free one; raise ValueError when there can be no grammar."""
    grammar = Grammar()
    if must_call(body):
        return Form(grammar.text(_call(grammar, body["tools"])), "no grammar can be made of the tools' parameters")
    wanted = body.get("response_format") or {}
    if wanted.get("type") not in ("json_object", "json_schema"):
        return Form(body["grammar"], "`grammar` cannot be read as GBNF") if "grammar" in body else None
    answer = _answer(grammar, wanted)
    if may_call(body):
        call = grammar.add(_call(grammar, body["tools"]))
        answer = f'{answer} | "<tool_call>" space ({call}) space "</tool_call>"'
    return Form(grammar.text(answer), _NO_SCHEMA)


def _answer(grammar: Grammar, wanted: Mapping[str, Any]) -> str:
    if wanted["type"] == "json_object":
        return "object"
    form = wanted["json_schema"]
    return _rule(grammar, form["schema"], form.get("strict"), _NO_SCHEMA)


def _call(grammar: Grammar, tools: Sequence[Mapping[str, Any]]) -> str:
    """Return a body for a call of one of some tools."""
    bodies = []
    for function in (tool["function"] for tool in tools):
        name = json.dumps(function["name"], ensure_ascii=False)
        schema = {"allOf": [{"type": "object"}, function.get("parameters") or {}]}
        trouble = f"no grammar can be made of the parameters of the tool {name}"
        rule = _rule(grammar, schema, function.get("strict"), trouble, root=function.get("parameters"))
        head = literal(BEFORE_NAME + name + BEFORE_ARGUMENTS)
        bodies.append(grammar.add(f"{head} {rule} {literal(AFTER_ARGUMENTS)}"))
    return either(bodies)


def _rule(grammar: Grammar, schema: Schema, strict: object, trouble: str, *, root: Schema | None = None) -> str:
    try:
        return SchemaRules(grammar, root or schema, strict=strict is True).rule(schema)
    except Unwritable as reason:
        raise ValueError(f"{trouble}: {reason}") from None
    except _MALFORMED as reason:
        raise ValueError(f"{trouble}: something in it is of the wrong kind ({type(reason).__name__})") from None
