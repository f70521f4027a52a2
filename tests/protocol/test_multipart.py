"""The field `model` of a form is found, whatever else the form holds and however it is cut."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.errors import InvalidRequest
from llms.protocol.multipart import Form, boundary_of

BOUNDARY = b"x-7f"
KIND = 'multipart/form-data; boundary="x-7f"'


def part(name: str, value: bytes, *more: str) -> bytes:
    lines = [f'Content-Disposition: form-data; name="{name}"' + "".join(more[:1]), *more[1:]]
    return b"--x-7f\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + value + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--x-7f--\r\n"


def read(body: bytes, *cuts: int) -> Form:
    found = Form(boundary_of(KIND))
    edges = [0, *sorted(cuts), len(body)]
    for start, end in pairwise(edges):
        found.feed(body[start:end])
    return found


MODEL = part("model", b"whisper-1")
FILE = part("file", b"RIFF\r\n--x-7\r\n\r\n--x-7e\r\nmodel\r\n", '; filename="a.wav"', "Content-Type: audio/wav")
TEXTS = st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=12)


@given(
    model=TEXTS,
    before=st.lists(st.binary(max_size=40)),
    after=st.lists(st.binary(max_size=40)),
    data=st.data(),
)
def test_the_model_is_found_at_any_cut(
    model: str, before: Sequence[bytes], after: Sequence[bytes], data: st.DataObject
) -> None:
    fields = [part(f"f{place}", value) for place, value in enumerate(before) if b"\r\n--x-7f" not in b"\r\n" + value]
    rest = [part(f"g{place}", value) for place, value in enumerate(after) if b"\r\n--x-7f" not in b"\r\n" + value]
    body = form(*fields, part("model", model.encode()), *rest)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))

    found = read(body, *cuts)

    assert found.model is not None
    assert found.model.value == model
    assert found.over
    replaced = body[: found.model.start] + b"theirs" + body[found.model.end :]
    assert replaced == form(*fields, part("model", b"theirs"), *rest)


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_no_bytes_break_it(body: bytes, cuts: list[int]) -> None:
    whole = b"--x-7f\r\n" + body
    with suppress(InvalidRequest):
        read(whole, *(cut for cut in cuts if cut <= len(whole)))


def test_every_single_cut_of_a_usual_form() -> None:
    body = form(FILE, MODEL, part("language", b"en"))
    for cut in range(len(body) + 1):
        found = read(body, cut)
        assert found.model is not None
        assert (found.model.value, body[found.model.start : found.model.end]) == ("whisper-1", b"whisper-1")


def test_byte_by_byte() -> None:
    body = form(FILE, MODEL)
    assert read(body, *range(len(body))).model == read(body).model


@pytest.mark.parametrize(
    "body",
    [
        b"preamble\r\n" + form(MODEL),
        b"--x-7f  \r\nContent-Disposition: form-data; name=model\r\n\r\nwhisper-1\r\n--x-7f--",
        b'--x-7f\r\nX-Y: 1\r\ncontent-disposition:form-data;\r\n name="model"\r\n\r\nwhisper-1\r\n--x-7f--',
        form(b"--x-7f\r\n\r\nno head\r\n", MODEL),
        form(part("empty", b""), MODEL),
    ],
    ids=["preamble", "bare name", "folded head", "no head", "empty field"],
)
def test_forms_as_others_write_them(body: bytes) -> None:
    found = read(body)
    assert found.model is not None
    assert found.model.value == "whisper-1"


def test_a_form_without_a_model() -> None:
    found = read(form(FILE, part("purpose", b"batch")))
    assert found.model is None
    assert found.over


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (form(MODEL, FILE, MODEL), "once"),
        (form(part("model", b"")), "printable"),
        (form(part("model", b"a\nb")), "printable"),
        (form(part("model", b"\xff")), "UTF-8"),
        (form(part("model", b"m" * 513)), "512"),
        (b'--x-7f\r\nContent-Disposition: form-data; name="model"\r\n\r\n' + b"m" * 5000, "512"),
        (b"--x-7f\r\n" + b"a: b\r\n" * 5000, "without an end"),
    ],
    ids=["twice", "empty", "two lines", "bytes", "long", "endless", "endless head"],
)
def test_what_is_wrong_is_said(body: bytes, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        read(body)


def test_little_is_kept_of_a_long_field() -> None:
    found = Form(BOUNDARY)
    found.feed(b"--x-7f\r\nContent-Disposition: form-data; name=file\r\n\r\n")
    for _ in range(50):
        found.feed(b"a" * 65536)
        assert len(found._buffer) < 32


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=", f"x; boundary={'a' * 71}"])
def test_a_form_without_a_boundary_is_refused(kind: str) -> None:
    with pytest.raises(InvalidRequest, match="boundary"):
        boundary_of(kind)
