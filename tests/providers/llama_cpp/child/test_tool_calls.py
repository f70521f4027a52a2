"""Tool calls in all the ways that models write them, and in none."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llms.providers.llama_cpp.child.answer.delta import Argued, Called, Delta, Said
from llms.providers.llama_cpp.child.answer.forced_call import ForcedCall
from llms.providers.llama_cpp.child.answer.tool_calls import CallFinder
from tests.providers.llama_cpp.child.splits import PLACES, read, split

HERMES = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
F = [Called("f"), Argued('{"a": 1}')]
G = [Called("g"), Argued("{}")]


def finder() -> CallFinder:
    return CallFinder(["f", "g"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HERMES, F),
        (f"Let me look.\n{HERMES}\nDone.", [Said("Let me look."), *F, Said("Done.")]),
        (f'{HERMES}\n<tool_call>{{"name": "g"}}</tool_call>\n', [*F, *G]),
        ('<tool_call>{"name": "f", "arguments": {"a": 1}}', F),
        ('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', F),
        (
            '<tool_call>{"name": "x", "arguments": {"t": "</tool_call>}\\""}}</tool_call>',
            [Called("x"), Argued('{"t": "</tool_call>}\\""}')],
        ),
        ('{"name": "f", "parameters": {"a": 1}}', F),
        ('<|python_tag|>{"type": "function", "name": "f", "parameters": {"a": 1}}', F),
        ('{"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}}', [*F, *G]),
        ('{"function": {"name": "f", "arguments": {"a": 1}}}', F),
        ('{"function": "f", "parameters": {"a": 1}}', F),
        ('[TOOL_CALLS] [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]', [*F, *G]),
        ('[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[CALL_ID]a1B2c3D4e[ARGS]{}', [*F, *G]),
        ('[TOOL_CALLS]f{"a": 1}', F),
        ("[TOOL_CALLS]f" + '{"a": ' * 100 + "1" + "}" * 100, [F[0], Argued('{"a": ' * 100 + "1" + "}" * 100)]),
    ],
)
def test_calls_are_found(text: str, expected: list[Delta]) -> None:
    assert read(finder, [text]) == expected
    assert read(finder, list(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Hello",
        "  \n",
        '{"name": "unknown", "parameters": {}}',
        '{"result": 5}',
        'Look: {"name": "f", "parameters": {}}',
        '{"name": "f", "parameters": [1]}',
        '{"name": "f", "parameters": {"a": NaN}}',
        '{"name": "f", "parameters": {"a": 1e999}}',
        '<tool_call>{"name": "f", "arguments": "{\\"a\\": -1e999}"}</tool_call>',
        '{"name": "f", "para',
        "<tool_call>f(1)</tool_call>",
        '<tool_call>{"name": 5}</tool_call>',
        '<tool_call>{"name": "f", "arguments": "no"}</tool_call>',
        '<tool_call>{"name": "f", "arguments": {"a": }}</tool_call>',
        '<tool_call>{"name": "", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "f"',
        "<tool_call>",
        "a <tool",
        "[TOOL_CALLS][1, 2]",
        "[TOOL_CALLS]" + "x" * 300 + "{}",
        "[TOOL_CALLS] what are they?",
        "<|python_tag|>print(1)",
        "<tool_call>" + '{"name": ' * 5000,
        '<tool_call>{"name": "f", "arguments": ' + '{"a": ' * 5000 + "1" + "}" * 5001,
        "[TOOL_CALLS]f" + '{"a": ' * 101 + "1" + "}" * 101,
    ],
    ids=lambda text: text[:30],
)
def test_what_only_looks_like_a_call_is_said(text: str) -> None:
    assert read(finder, [text]) == [Said(text)]
    assert read(finder, list(text)) == [Said(text)]


def test_text_before_a_call_is_not_held_back() -> None:
    reader = finder()
    assert [reader.feed(piece) for piece in ("Let", " me", " <to", "ol")] == [
        *([Said("Let")], [Said(" me")], [], []),
    ]


BITS = st.sampled_from(
    [
        *("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>", "<tool", "[TOOL"),
        *('{"name": "f", "arguments": {"a": 1}}', '{"name": "g", "parameters": {}}', '{"name": "f"', "{", "}", '"'),
        *("f", ";", " ", "\n", "word", "é", "\\", "[", "]", '{"a": 1}', '{"type": "function", '),
    ]
)


NAMED = re.compile(r"\[TOOL_CALLS\]\s*\w+(?:\[CALL_ID\]\w+)?(?:\[ARGS\])? {0,3}(?=\{)")
"""A call of Mistral's other way, which may name any tool."""


@example(bits=['{"name": "f", "arguments": {"a": 1}}', "}"], places=[])
@example(bits=["[TOOL_CALLS]", "word", '{"name": "f", "arguments": {"a": 1}}'], places=[])
@example(bits=["[TOOL_CALLS]", "é", "[CALL_ID]", "word", "[ARGS]", '{"a": 1}', "word"], places=[4])
@given(bits=st.lists(BITS, max_size=12), places=PLACES)
def test_how_the_text_is_split_makes_no_difference_and_nothing_is_lost(bits: list[str], places: list[int]) -> None:
    text = "".join(bits)
    found = read(finder, split(text, places))
    assert found == read(finder, [text])
    assert _is_told_in_order(found, text)


def _is_told_in_order(found: list[Delta], text: str) -> bool:
    """Tell whether all that is said stands in the text, in order, with nothing between but calls and their marks."""
    return _fits([delta.text for delta in found if isinstance(delta, Said)], text)


def _fits(said: list[str], text: str) -> bool:
    if not said:
        return text == "" or _is_call(text)
    places = [place for place in range(len(text)) if text.startswith(said[0], place)]
    return any(
        _fits(said[1:], text[place + len(said[0]) :]) for place in places if place == 0 or _is_call(text[:place])
    )


def _is_call(text: str) -> bool:
    unnamed, named = NAMED.subn("", text)
    return (named > 0 or '"f"' in text or '"g"' in text) and not any(word in unnamed for word in ("word", "é"))


@pytest.mark.parametrize("cut", [False, True])
@given(
    name=st.text(min_size=1, max_size=8), places=PLACES, value=st.dictionaries(st.text(max_size=5), st.text(max_size=5))
)
def test_a_forced_call_streams_its_arguments(name: str, places: list[int], value: dict[str, str], cut: bool) -> None:
    arguments = json.dumps(value)
    text = f'{{"name": {json.dumps(name)}, "arguments": {arguments}}}'
    found = read(ForcedCall, split(text[:-1] if cut else text, places))
    assert found == [Called(name), Argued(arguments)]


def test_a_forced_call_that_is_cut_early_is_none() -> None:
    assert read(ForcedCall, ['{"name": "f", "argu']) == []
    assert read(ForcedCall, ['{"name": "f", "arguments": {"a": "x']) == [Called("f"), Argued('{"a": "x')]
