"""Joined chunks say what the chunks said, in their order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.chat import Chunk
from llms.protocol.joining import Joiner

HEAD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def item(delta: dict[str, Any], *, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more}


CALL = {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}
ITEMS = st.one_of(
    st.builds(lambda text, index: item({"content": text}, index=index), st.text(max_size=3), st.integers(0, 1)),
    st.builds(lambda text: item({"reasoning_content": text}), st.text(max_size=3)),
    st.builds(lambda text: item({"content": text, "refusal": None}), st.text(max_size=3)),
    st.sampled_from(
        [
            item({"role": "assistant", "content": ""}),
            item(CALL),
            item({"content": "x"}, llms={"tokens": 1}),
            item({"content": "x"}, usage={"prompt_tokens": 1}),
            item({}, finish="stop"),
            {**HEAD, "choices": []},
        ]
    ),
)


def said(items: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what a stream says: text by text, field by field, and everything else, in order."""
    found: list[list[Any]] = []
    for one in items:
        for choice in one["choices"] or ({"index": None, "delta": {"": one}},):
            for field, value in choice["delta"].items():
                key = [choice["index"], field]
                if isinstance(value, str) and found and found[-1][:2] == key:
                    found[-1][2] += value
                elif value:
                    found.append([*key, value])
            if choice.get("finish_reason"):
                found.append([choice["index"], "finish", choice["finish_reason"]])
        for name in ("llms", "usage"):
            if name in one:
                found.append([name, one[name]])
    return [tuple(each) for each in found]


@given(st.lists(st.tuples(st.lists(ITEMS, min_size=1, max_size=6), st.booleans()), max_size=12), st.integers(0, 6))
def test_nothing_is_lost_or_moved(reads: list[tuple[list[dict[str, Any]], bool]], most: int) -> None:
    joiner = Joiner(most)
    out: list[dict[str, Any]] = []
    for items, is_late in reads:
        found = joiner.add(Chunk(items))
        out += found.objects if found is not None else ()
        rest = joiner.rest() if is_late else None
        out += rest.objects if rest is not None else ()
        assert not is_late or not joiner.is_waiting
    last = Chunk([item({}, finish="stop")])
    last.final = True
    found = joiner.add(last)
    assert found is not None
    assert found.final
    out += found.objects
    given_items = [one for items, _ in reads for one in items]
    assert said(out) == said([*given_items, *last.objects])
    assert len(out) <= len(given_items) + 1


def test_the_first_text_waits_for_nobody_and_later_ones_for_enough() -> None:
    joiner = Joiner(3)
    texts = []
    for word in "abcdefg":
        found = joiner.add(Chunk.of(item({"content": word})))
        texts.append(found and [one["choices"][0]["delta"]["content"] for one in found.objects])
    assert texts == [["a"], None, None, ["bcd"], None, None, ["efg"]]
    assert joiner.rest() is None


def test_one_read_of_many_becomes_a_few() -> None:
    joiner = Joiner(5)
    found = joiner.add(Chunk([item({"content": str(n)}) for n in range(10)]))
    assert found is not None
    assert [one["choices"][0]["delta"]["content"] for one in found.objects] == ["0", "12345"]
    rest = joiner.rest()
    assert rest is not None
    assert rest.objects[0]["choices"][0]["delta"]["content"] == "6789"


def test_a_final_chunk_without_objects_is_final_still() -> None:
    joiner = Joiner(5)
    last = Chunk([])
    last.final = True
    found = joiner.add(last)
    assert found is not None
    assert found.final
