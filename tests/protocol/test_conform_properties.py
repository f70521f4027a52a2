"""What holds for every stream, legal or not."""

import json
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.whole import conform_completion
from llms.testing.plain_client import calls_of, check_stream, text_of
from tests.protocol.streams import HEAD, ROLE, USAGE, call, chunk_of, conform, one

WORDS = """
    id object created model choices usage index delta finish_reason content role tool_calls function name arguments
    type text x_groq reasoning_content refusal
"""
KEYS = st.sampled_from(WORDS.split())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**40) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
PIECES = st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=6)


@st.composite
def legal_streams(draw):
    """A legal stream of up to three choices with text and tool calls, interleaved, and what it says."""
    queues, said = [], {}
    for index in range(draw(st.integers(1, 3))):
        pieces = draw(PIECES)
        queue = [one({**ROLE}, index=index), *(one({"content": piece}, index=index) for piece in pieces)]
        calls = draw(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=4), max_size=4), max_size=3))
        for place, arguments in enumerate(calls):
            first = call(place, id=f"call_{index}_{place}", type="function", function={"name": "f", "arguments": ""})
            rest = [call(place, function={"arguments": piece}) for piece in arguments]
            queue += [one({"tool_calls": [fragment]}, index=index) for fragment in (first, *rest)]
        queue.append(one({}, "tool_calls" if calls else "stop", index=index))
        queues.append(queue)
        said[index] = ("".join(pieces), ["".join(arguments) or "{}" for arguments in calls])
    stream = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        stream.append(queue.pop(0))
    if draw(st.booleans()):
        stream.append({**HEAD, "choices": [], "usage": USAGE})
    return stream, said


@given(legal_streams(), st.data())
def test_regrouping_a_legal_stream_changes_nothing_that_it_says(legal, data):
    stream, said = legal
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=6)) | {0, len(stream)})
    include_usage = data.draw(st.booleans())
    rules = conform(include_usage=include_usage)
    seen = [rules.apply(chunk_of(*stream[start:stop])) for start, stop in pairwise(cuts)] + [rules.last()]
    objects = [json.loads(payload) for chunk in seen if chunk is not None for payload in chunk.payloads()]

    check_stream(objects, include_usage=include_usage)
    assert rules.complete
    for index, (text, arguments) in said.items():
        assert text_of(objects, index=index) == text
        assert [held["arguments"] for held in calls_of(objects, index=index)] == arguments
    asked_and_told = include_usage and not stream[-1]["choices"]
    assert (objects[-1].get("usage") if asked_and_told else None) == (USAGE if asked_and_told else None)


@given(legal_streams())
def test_a_legal_stream_keeps_its_bytes(legal):
    stream, said = legal
    rules = conform()
    for item in stream:
        chunk = chunk_of(item)
        ends_empty_call = item["choices"] and "{}" in said[item["choices"][0]["index"]][1]
        if item["choices"] and not (item["choices"][0]["finish_reason"] and ends_empty_call):
            assert rules.apply(chunk) is chunk
        else:
            rules.apply(chunk)


@given(st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=6), st.booleans())
def test_no_json_object_is_too_odd(objects, include_usage):
    rules = conform(include_usage=include_usage)
    seen = [rules.apply(chunk_of(*islice(objects, start, start + 2))) for start in range(0, len(objects), 2)]
    shown = [json.loads(payload) for chunk in [*seen, rules.last()] if chunk for payload in chunk.payloads()]

    check_stream(shown, include_usage=include_usage)
    for item in objects:
        conform_completion(item, model="m", fallback_id="f", created=1)
