"""Vectors reach the client in the form that it asked for, and an answer that is no answer is told apart."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.chat import Usage
from llms.protocol.embeddings import EmbeddingRequest, Embeddings, parse_embeddings
from llms.protocol.errors import InvalidRequest, UpstreamProtocolError
from llms.protocol.vectors import Written, write

PATIENT = settings(deadline=None)
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
VECTORS = st.lists(st.lists(FLOAT32, min_size=1, max_size=6), min_size=1, max_size=4)
FORMS = st.sampled_from(["float", "base64"])
USAGE = {"prompt_tokens": 5, "total_tokens": 5}


def asked(count: int, form: str = "float", **more: Any) -> EmbeddingRequest:
    sent = {"model": "m", "input": ["x"] * count, "encoding_format": form, **more}
    return parse_embeddings(json.dumps(sent).encode())


def written(embeddings: Embeddings, request: EmbeddingRequest) -> Written:
    work = write(embeddings, request, provider="up")
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: Written = done.value
            return found


def packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def unpacked(text: str) -> list[float]:
    data = base64.b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def answer(vectors: Sequence[Any], form: str = "float", **more: Any) -> bytes:
    """Return an answer of an upstream; vectors that are no lists stand there as they are."""
    told = [packed(v) if form == "base64" and isinstance(v, list) else v for v in vectors]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(told)]
    return json.dumps({"object": "list", "data": data, "model": "theirs", "usage": USAGE, **more}).encode()


def vectors_of(payload: bytes, form: str) -> list[list[float]]:
    found = json.loads(payload)
    assert [item["index"] for item in found["data"]] == list(range(len(found["data"])))
    assert all(item["object"] == "embedding" for item in found["data"])
    return [unpacked(item["embedding"]) if form == "base64" else item["embedding"] for item in found["data"]]


class TestAnAnswerOfAnUpstream:
    @pytest.mark.parametrize("form", ["float", "base64"])
    def test_stays_as_it_came_where_the_form_is_right(self, form: str) -> None:
        body = answer([[0.1, -2.0], [0.25, 1e-9]], form, x_vendor={"odd": [1, None]})

        found = written(Embeddings(answers=[(2, body)]), asked(2, form))

        assert found.payload is body
        assert found.usage == Usage(prompt_tokens=5, source="reported")

    @PATIENT
    @given(VECTORS, FORMS, FORMS)
    def test_has_the_same_numbers_in_any_form(self, vectors: list[list[float]], theirs: str, wanted: str) -> None:
        found = written(Embeddings(answers=[(len(vectors), answer(vectors, theirs))]), asked(len(vectors), wanted))

        assert vectors_of(found.payload, wanted) == vectors

    def test_keeps_what_nobody_knows_when_its_form_changes(self) -> None:
        data = [{"index": 0, "embedding": [0.5], "x_item": "kept", "object": "embedding"}]
        body = json.dumps({"object": "list", "data": data, "model": "theirs", "x_top": [1]}).encode()

        found = json.loads(written(Embeddings(answers=[(1, body)]), asked(1, "base64")).payload)

        assert found == {
            "object": "list",
            "data": [{"index": 0, "embedding": packed([0.5]), "x_item": "kept", "object": "embedding"}],
            "model": "theirs",
            "x_top": [1],
        }

    def test_is_read_whatever_its_spaces_and_order(self) -> None:
        body = b"""{ "usage" : null, "data" : [ { "embedding" :
            [ 1 , 2.5e0 ] , "index": 0, "object" :"embedding" } ], "model":"m", "object":"list" }"""

        assert written(Embeddings(answers=[(1, body)]), asked(1)).payload == body
        assert vectors_of(written(Embeddings(answers=[(1, body)]), asked(1, "base64")).payload, "base64") == [[1, 2.5]]

    def test_with_something_that_no_list_of_numbers_can_say_is_the_providers_failure(self) -> None:
        with pytest.raises(UpstreamProtocolError, match="no number"):
            written(Embeddings(answers=[(1, answer([[1.0, math.nan]], "base64"))]), asked(1))

    def test_may_escape_the_slashes_of_base64(self) -> None:
        vector = [-1.7014118346046923e38, 3.0]
        text = packed(vector)
        assert "/" in text
        body = answer([vector], "base64").replace(text.encode(), text.replace("/", "\\/").encode())

        assert vectors_of(written(Embeddings(answers=[(1, body)]), asked(1)).payload, "float") == [vector]

    def test_is_put_in_order_by_its_indexes(self) -> None:
        data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [0.0]}]
        body = json.dumps({"data": data, "model": "m"}).encode()

        assert vectors_of(written(Embeddings(answers=[(2, body)]), asked(2)).payload, "float") == [[0.0], [1.0]]

    @pytest.mark.parametrize("indexes", [[None, None], [0, 0], [1, 2], ["0", "1"], [True, False]])
    def test_is_numbered_where_its_indexes_are_of_no_use(self, indexes: list[Any]) -> None:
        data = [{"index": index, "embedding": [float(at)]} for at, index in enumerate(indexes)]
        body = json.dumps({"data": data, "model": "m", "object": "list"}).encode()

        assert vectors_of(written(Embeddings(answers=[(2, body)]), asked(2)).payload, "float") == [[0.0], [1.0]]

    def test_gets_the_model_and_the_name_that_it_lacks(self) -> None:
        body = b'{"data":[{"index":0,"embedding":[1.0]}]}'

        found = json.loads(written(Embeddings(answers=[(1, body)]), asked(1).for_model("theirs")).payload)

        assert (found["object"], found["model"]) == ("list", "theirs")
        assert "usage" not in found

    def test_keeps_its_length_whatever_was_asked(self) -> None:
        body = answer([[3.0, 4.0, 5.0]])

        assert written(Embeddings(answers=[(1, body)]), asked(1, dimensions=2)).payload is body

    def test_with_a_vector_elsewhere_is_not_taken_for_one(self) -> None:
        body = json.dumps({"data": [], "object": "list", "model": "m", "x": {"embedding": [1.0]}}).encode()

        with pytest.raises(UpstreamProtocolError):
            written(Embeddings(answers=[(1, body)]), asked(1))


@pytest.mark.parametrize("form", ["float", "base64"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (answer([[1.0]]), "1 vectors for 2 inputs"),
        (answer([[1.0]] * 3), "3 vectors for 2 inputs"),
        (answer([]), "0 vectors for 2 inputs"),
        (answer([[1.0], []]), "in vector 1"),
        (answer([[1.0], [None]]), "in vector 1"),
        (answer([[1.0], ["a"]]), "in vector 1"),
        (answer([[1.0], [[2.0]]]), "in vector 1"),
        (answer([[1.0], None]), "1 vectors for 2 inputs"),
        (answer([[1.0], {"a": 1}]), "1 vectors for 2 inputs"),
        (answer([[1.0], 1]), "1 vectors for 2 inputs"),
        (answer([[1.0], ""]), "in vector 1"),
        (answer([[1.0], "not base64"]), "in vector 1"),
        (answer([[1.0], "AAA="]), "in vector 1"),
        (b'{"data": [{"embedding": [1.0], "embedding": [2.0]}]}', "2 inputs"),
        (b'{"data": {"embedding": [1.0]}}', "no list of embeddings"),
        (b'{"data": [1, 2]}', "no list of embeddings"),
        (b"[]", "not an object"),
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (answer([[1.0], [2.0]])[:-20], "not JSON"),
        (answer([[1.0], [2.0, 3.0]])[:-80], ""),
        (b'{"data": [{"embedding": [1.0, 2.', "not JSON"),
    ],
)
def test_an_answer_that_is_none_is_the_upstreams_failure(body: bytes, words: str, form: str) -> None:
    with pytest.raises(UpstreamProtocolError) as caught:
        written(Embeddings(answers=[(2, body)]), asked(2, form))

    assert caught.value.message.startswith("up: ")
    assert words in caught.value.message


@PATIENT
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_answer_breaks_the_reader(body: bytes) -> None:
    for sent in (body, b'{"data":[{"index":0,"embedding":' + body + b"}]}"):
        try:
            found = written(Embeddings(answers=[(1, sent)]), asked(1, "base64"))
        except UpstreamProtocolError:
            continue
        assert unpacked(json.loads(found.payload)["data"][0]["embedding"])


class TestBatches:
    @PATIENT
    @given(st.lists(VECTORS, min_size=2, max_size=3), FORMS, FORMS)
    def test_are_joined_in_order(self, batches: list[list[list[float]]], theirs: str, wanted: str) -> None:
        everything = [vector for batch in batches for vector in batch]
        answers = [(len(batch), answer(batch, theirs)) for batch in batches]

        found = written(Embeddings(answers=answers), asked(len(everything), wanted))

        assert vectors_of(found.payload, wanted) == everything
        assert found.usage == Usage(prompt_tokens=5 * len(batches), source="reported")
        assert json.loads(found.payload)["usage"]["total_tokens"] == 5 * len(batches)

    def test_add_up_what_else_is_counted(self) -> None:
        one, two = answer([[1.0]], usage={**USAGE, "cost": 0.25}), answer([[1.0]], usage={**USAGE, "unit": "EUR"})

        found = json.loads(written(Embeddings(answers=[(1, one), (1, two)]), asked(2)).payload)

        assert found["usage"] == {"prompt_tokens": 10, "total_tokens": 10, "cost": 0.25}

    def test_of_which_one_tells_no_usage_tell_none(self) -> None:
        silent = answer([[1.0]], usage=None)

        found = written(Embeddings(answers=[(1, answer([[1.0]])), (1, silent)]), asked(2))

        assert found.usage is None
        assert "usage" not in json.loads(found.payload)

    def test_of_the_wrong_size_fail(self) -> None:
        with pytest.raises(UpstreamProtocolError):
            written(Embeddings(answers=[(2, answer([[1.0]])), (1, answer([[1.0], [1.0]]))]), asked(3))


class TestVectorsOfOurOwn:
    @PATIENT
    @given(VECTORS, FORMS)
    def test_are_written_in_any_form(self, vectors: list[list[float]], wanted: str) -> None:
        usage = Usage(prompt_tokens=3, source="reported")

        found = written(Embeddings(vectors, model="own", usage=usage), asked(len(vectors), wanted))

        assert vectors_of(found.payload, wanted) == vectors
        told = json.loads(found.payload)
        assert (told["object"], told["model"]) == ("list", "own")
        assert told["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
        assert found.usage == usage

    @pytest.mark.parametrize("form", ["float", "base64"])
    def test_are_shortened_to_the_dimensions_asked_for_and_keep_length_1(self, form: str) -> None:
        found = written(Embeddings([[3.0, 4.0, 12.0], [0.0, 0.0, 1.0]]), asked(2, form, dimensions=2))

        one, zero = vectors_of(found.payload, form)
        assert one == pytest.approx([0.6, 0.8])
        assert math.hypot(*one) == pytest.approx(1.0)
        assert zero == [0.0, 0.0]

    def test_stay_as_they_are_where_they_have_the_dimensions(self) -> None:
        found = written(Embeddings([[3.0, 4.0]]), asked(1, dimensions=2))

        assert vectors_of(found.payload, "float") == [[3.0, 4.0]]

    def test_cannot_have_more_dimensions_than_the_model(self) -> None:
        with pytest.raises(InvalidRequest, match="at most 2") as caught:
            written(Embeddings([[3.0, 4.0]]), asked(1, dimensions=3))

        assert caught.value.param == "dimensions"

    @pytest.mark.parametrize("vectors", [[], [[1.0]], [[1.0]] * 3])
    def test_in_the_wrong_number_are_the_providers_failure(self, vectors: list[list[float]]) -> None:
        with pytest.raises(UpstreamProtocolError):
            written(Embeddings(vectors), asked(2))

    @pytest.mark.parametrize("number", [math.nan, math.inf, None])
    def test_with_something_that_is_no_number_are_the_providers_failure(self, number: Any) -> None:
        with pytest.raises(UpstreamProtocolError):
            written(Embeddings([[1.0, number]]), asked(1))


def test_the_work_is_done_vector_by_vector() -> None:
    body = answer([[1.0]] * 50)

    assert len(list(write(Embeddings(answers=[(50, body)]), asked(50, "base64"), provider="up"))) == 50
    assert len(list(write(Embeddings([[1.0]] * 50), asked(50), provider="up"))) == 50
