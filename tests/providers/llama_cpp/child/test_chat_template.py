"""Chat templates and the conversations that they were not written for."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from llms.providers.llama_cpp.child.llama_python.chat_template import CHATML, ChatTemplate

pytest.importorskip("jinja2", reason="needs jinja2, which comes with llama-cpp-python")

PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}"
NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system here') }}{% endif %}" + PLAIN
WITH_TOOLS = (
    "{% if tools %}T{{ tools | tojson }}{% endif %}{% for m in messages %}<{{ m.role }}>{{ m.content }}"
    "{% for c in m.tool_calls %}[{{ c.function.name }} {{ c.function.arguments.items() | list }}]{% endfor %}"
    "{% endfor %}"
)
TEXT_ARGUMENTS = (
    "{% for m in messages %}{% for c in m.tool_calls %}{{ 'A' + c.function.arguments }}{% endfor %}{% endfor %}"
    "{{ tools }}"
)

USER = {"role": "user", "content": "hi"}
SYSTEM = {"role": "system", "content": "be brief"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": "é"}'}}],
}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "42"}


def rendered(source: str, messages: list[dict[str, Any]], tools: list[Any] | None = None, **values: Any) -> str:
    template = ChatTemplate(source, bos="<s>", eos="</s>", now=lambda: datetime(2026, 1, 2))
    return template.prompt(messages, tools or [], values)


def test_the_usual_surroundings() -> None:
    source = (
        "{{ bos_token }}{{ strftime_now('%Y') }}|{{ {'a': '<é>'} | tojson }}|{% for x in [1, 2, 3] %}"
        "{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}|{{ switch }}|"
        "{%- generation %}g{% endgeneration %}{{ eos_token }}"
    )
    assert rendered(source, [USER], switch=False) == '<s>2026|{"a": "<é>"}|13|False|g</s>'


def test_texts_in_parts_become_one() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert rendered(PLAIN, [{"role": "user", "content": parts}]) == "<user>a\nb<bot>"


def test_a_template_without_a_system_role_gets_it_with_the_user() -> None:
    assert rendered(NO_SYSTEM, [SYSTEM, USER]) == "<user>be brief\n\nhi<bot>"
    assert rendered(NO_SYSTEM, [SYSTEM]) == "<user>be brief<bot>"
    assert rendered(PLAIN, [SYSTEM, USER]) == "<system>be brief<user>hi<bot>"


def test_a_template_that_knows_tools_gets_them_and_arguments_as_objects() -> None:
    found = rendered(WITH_TOOLS, [USER, CALL, RESULT], [TOOL])
    assert found == f"T{json.dumps([TOOL])}<user>hi<assistant>[f [('a', 'é')]]<tool>42"


def test_a_template_that_wants_arguments_as_text_gets_them_so() -> None:
    assert rendered(TEXT_ARGUMENTS, [USER, CALL]) == 'A{"a": "é"}None'


def test_a_template_that_knows_no_tools_is_told_in_words() -> None:
    found = rendered(PLAIN, [SYSTEM, USER, CALL, RESULT], [TOOL])
    system, _, rest = found.partition("<user>")
    assert system.startswith("<system>be brief\n\n")
    assert json.dumps(TOOL) in system
    assert "<tool_call>" in system
    assert rest == (
        'hi<assistant><tool_call>\n{"name": "f", "arguments": {"a": "é"}}\n</tool_call>'
        "<user><tool_response>\n42\n</tool_response><bot>"
    )
    assert "<tools>" in rendered(NO_SYSTEM, [USER], [TOOL])
    assert rendered(PLAIN, [USER, CALL, RESULT]).count("<tools>") == 0


@pytest.mark.parametrize("depth", [101, 5000])
def test_arguments_nested_without_an_end_stay_text(depth: int) -> None:
    arguments = '{"a": ' * depth + "1" + "}" * depth
    call = {**CALL, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}]}
    assert rendered(TEXT_ARGUMENTS, [USER, call]) == f"A{arguments}None"
    assert json.dumps(arguments) in rendered(PLAIN, [USER, call])


def test_chatml() -> None:
    assert rendered(CHATML, [USER]) == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('roles must alternate') }}",
        "{{ messages[0].content.x.y }}",
        "{{ 1 / 0 }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.append(1) }}",
        "{% for x in range(10 ** 9) %}{% endfor %}",
        "{{ cycler.__init__.__globals__ }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'x' %}",
    ],
)
def test_what_a_template_may_not_or_cannot_is_the_requests_fault(source: str) -> None:
    with pytest.raises(ValueError, match="chat template refuses these messages"):
        rendered(source, [USER])


def test_the_templates_own_words_are_told() -> None:
    with pytest.raises(ValueError, match="roles must alternate"):
        rendered("{{ raise_exception('roles must alternate') }}", [USER])


def test_a_template_that_is_no_template() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        ChatTemplate("{% if %}", bos="", eos="")
