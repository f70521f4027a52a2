"""A form on its way: whatever its pieces, the upstream gets it with its own model, and gets it again if need be."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.errors import InvalidRequest
from llms.protocol.multipart import Form
from llms.server.upload import FormUpload
from tests.server.forms import BOUNDARY, field, form

FILE = field("file", b"\0" * 50 + b"\r\n--b-4\r\nmodel\r\n\r\n", filename="a")
ORDERS = {
    "model first": (field("model", "ours"), FILE),
    "model last": (FILE, field("model", "ours")),
    "amid": (FILE, field("model", "ours"), FILE),
}


class Coming:
    """A request whose body comes in given pieces."""

    def __init__(self, pieces: Sequence[bytes], *, told: bool) -> None:
        self._pieces = list(pieces)
        self.content_length = sum(map(len, pieces)) if told else None
        self.headers: dict[str, str] = {}
        self.content = types.SimpleNamespace(readany=self._next)

    async def _next(self) -> bytes:
        while self._pieces:
            if piece := self._pieces.pop(0):
                return piece
        return b""


def upload_of(body: bytes, cuts: Sequence[int] = (), *, told: bool = True, searched: bool = True) -> FormUpload:
    edges = [0, *sorted(cuts), len(body)]
    pieces = [body[start:end] for start, end in pairwise(edges)]
    request: Any = Coming(pieces, told=told)
    return FormUpload(cast(web.Request, request), Form(BOUNDARY.encode()) if searched else None, limit=2**30)


async def taken(upload: FormUpload, model: str) -> bytes:
    return b"".join([piece async for piece in upload.pieces(model)])


@given(st.data(), st.sampled_from(sorted(ORDERS)), st.text("abc-/.:é", min_size=1, max_size=20), st.booleans())
def test_any_pieces_give_the_same_form(data: st.DataObject, order: str, model: str, told: bool) -> None:
    body = form(*ORDERS[order])
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=8))
    wanted = body.replace(field("model", "ours"), field("model", model))

    async def work() -> None:
        upload = upload_of(body, cuts, told=told)
        assert await upload.begin(limit=2**20) == "ours"
        length = upload.length(model)
        assert await taken(upload, model) == wanted
        assert length == len(wanted) if told else length in (None, len(wanted))
        assert upload.repeatable
        assert await taken(upload, "another") == body.replace(field("model", "ours"), field("model", "another"))

    asyncio.run(work())


async def test_what_is_long_is_let_go_on_the_way() -> None:
    body = form(field("model", "ours"), field("file", b"\0" * (3 * 2**20), filename="a"))
    upload = upload_of(body, range(0, len(body), 65536))
    await upload.begin(limit=2**20)
    assert upload.repeatable

    assert len(await taken(upload, "ours")) == len(body)
    assert not upload.repeatable
    assert not upload._kept


async def test_a_long_file_before_the_model_can_be_sent_again() -> None:
    body = form(field("file", b"\0" * (3 * 2**20), filename="a"), field("model", "ours"))
    upload = upload_of(body, range(0, len(body), 65536))
    await upload.begin(limit=2**30)

    assert await taken(upload, "ours") == await taken(upload, "ours") == body
    assert upload.repeatable


async def test_a_form_that_is_not_searched_is_not_read() -> None:
    body = form(FILE, field("model", "ours"))
    upload = upload_of(body, searched=False)

    assert await upload.begin(limit=0) == ""
    assert upload.length("x") == len(body)
    assert await taken(upload, "x") == body


async def test_a_second_model_far_behind_is_refused() -> None:
    body = form(field("model", "ours"), FILE, field("model", "other"))
    upload = upload_of(body, [80])
    await upload.begin(limit=2**20)

    with pytest.raises(InvalidRequest, match="once"):
        await taken(upload, "x")
