"""A body is a request for embeddings, or an error that names the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.embeddings import MOST_INPUTS, EmbeddingRequest, parse_embeddings
from llms.protocol.errors import InvalidRequest

PATIENT = settings(deadline=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
TEXTS = st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=9)
TOKENS = st.lists(st.integers(0, 2**31), min_size=1, max_size=9)


def body(**changes: Any) -> bytes:
    return json.dumps({"model": "m", "input": "text", **changes}).encode()


def refused(raw: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        parse_embeddings(raw)
    assert (caught.value.http_status, caught.value.code) == (400, "invalid_request")
    assert len(caught.value.message) < 500
    return caught.value


@pytest.mark.parametrize(
    ("given_input", "inputs"),
    [
        ("text", ["text"]),
        (["a", "b"], ["a", "b"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1], [2, 3]], [[1], [2, 3]]),
        (["x"] * MOST_INPUTS, ["x"] * MOST_INPUTS),
        ([7] * 9000, [[7] * 9000]),
    ],
    ids=["text", "texts", "tokens", "lists of tokens", "as many as may be", "a long token list"],
)
def test_every_kind_of_input_is_taken(given_input: Any, inputs: list[Any]) -> None:
    request = parse_embeddings(body(input=given_input), request_id="r", hops=2)

    assert list(request.inputs) == inputs
    assert (request.model, request.request_id, request.hops) == ("m", "r", 2)
    assert json.loads(request.encode()) == {"model": "m", "input": given_input}


@pytest.mark.parametrize(
    ("changes", "param", "words"),
    [
        ({"input": ""}, "input", "not empty"),
        ({"input": None}, "input", "found null"),
        ({"input": []}, "input", "not empty"),
        ({"input": 3}, "input", "a string"),
        ({"input": {"text": "x"}}, "input", "a string"),
        ({"input": [""]}, "input[0]", "non-empty string"),
        ({"input": ["a", "b", ""]}, "input[2]", "non-empty string"),
        ({"input": ["a", 1]}, "input[1]", "non-empty string"),
        ({"input": ["a", ["b"]]}, "input[1]", "non-empty string"),
        ({"input": [None]}, "input[0]", "found null"),
        ({"input": [True]}, "input[0]", "found true"),
        ({"input": [1.5]}, "input[0]", "found 1.5"),
        ({"input": [1, "a"]}, "input[1]", "token id"),
        ({"input": [1, True]}, "input[1]", "token id"),
        ({"input": [1, -1]}, "input[1]", "at least 0"),
        ({"input": [[1], []]}, "input[1]", "non-empty list"),
        ({"input": [[1], "a"]}, "input[1]", "non-empty list"),
        ({"input": [[1], [2, None]]}, "input[1][1]", "token id"),
        ({"input": [[["a"]]]}, "input[0][0]", "token id"),
        ({"input": ["x"] * (MOST_INPUTS + 1)}, "input", "at most 2048 inputs, found 2049"),
        ({"input": [[1]] * (MOST_INPUTS + 1)}, "input", "at most 2048 inputs, found 2049"),
        ({"model": ""}, "model", "non-empty"),
        ({"model": None}, "model", "non-empty"),
        ({"model": "x" * 513}, "model", "512"),
        ({"model": "a\nb"}, "model", "printable"),
        ({"encoding_format": "hex"}, "encoding_format", '"float" or "base64"'),
        ({"encoding_format": 1}, "encoding_format", '"float" or "base64"'),
        ({"encoding_format": ["float"]}, "encoding_format", '"float" or "base64"'),
        ({"dimensions": 0}, "dimensions", "at least 1"),
        ({"dimensions": "256"}, "dimensions", "integer"),
        ({"dimensions": True}, "dimensions", "integer"),
        ({"dimensions": 1.0}, "dimensions", "integer"),
        ({"user": 5}, "user", "a string"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], param: str, words: str) -> None:
    error = refused(body(**changes))

    assert error.param == param
    assert words in error.message


@pytest.mark.parametrize("missing", ["model", "input"])
def test_what_is_missing_is_named(missing: str) -> None:
    sent = {name: value for name, value in json.loads(body()).items() if name != missing}

    error = refused(json.dumps(sent).encode())

    assert error.param == missing
    assert "is missing" in error.message


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b'{"model": "m", "input": NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(raw: bytes) -> None:
    refused(raw)


def test_null_options_are_as_good_as_none() -> None:
    request = parse_embeddings(body(encoding_format=None, dimensions=None, user=None))

    assert (request.encoding_format, request.dimensions) == ("float", None)


def test_unknown_fields_and_the_upstreams_model_are_sent() -> None:
    request = parse_embeddings(body(input_type="query", dimensions=3)).for_model("theirs")

    assert json.loads(request.encode()) == {"model": "theirs", "input": "text", "input_type": "query", "dimensions": 3}


@PATIENT
@given(st.dictionaries(st.sampled_from(["model", "input", "encoding_format", "dimensions", "user", "x"]), JSON))
def test_any_object_is_a_request_or_a_clear_refusal(sent: dict[str, Any]) -> None:
    found: EmbeddingRequest | InvalidRequest
    try:
        found = parse_embeddings(json.dumps(sent).encode())
    except InvalidRequest as error:
        found = error
    if isinstance(found, InvalidRequest):
        assert found.param is not None
        assert found.param.partition("[")[0] in {*sent, "model", "input"}
    else:
        assert json.loads(found.encode()) == sent


@PATIENT
@given(TEXTS | st.lists(TOKENS, min_size=1, max_size=9), st.integers(1, 10))
def test_parts_are_small_enough_and_make_up_the_whole(inputs: list[Any], most: int) -> None:
    parts = parse_embeddings(body(input=inputs, dimensions=2)).split(most)

    assert [given_input for part in parts for given_input in part.inputs] == inputs
    assert all(1 <= len(part.inputs) <= most for part in parts)
    for part in parts:
        assert json.loads(part.encode()) == {"model": "m", "input": list(part.inputs), "dimensions": 2}


def test_a_request_that_is_small_enough_stays_as_it_is() -> None:
    request = parse_embeddings(body())

    assert request.split(1) == [request]
