"""What an upstream says when it refuses is told without its secrets, within bounds, with its patience."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.refusals import Refusal, error_for, patience, request_id_of

KEY = "sk-planted-0123456789"


def told(body: bytes) -> str:
    return error_for(Refusal("up", 400, body, secrets=(KEY,))).message


@pytest.mark.parametrize("cut_at", [200, 2000, 8000])
@pytest.mark.parametrize("inside", range(1, len(KEY), 4))
@pytest.mark.parametrize("shape", ["text", "html", "message", "text in JSON", "list", "object"])
def test_a_key_is_taken_out_before_the_text_is_cut(shape: str, inside: int, cut_at: int) -> None:
    text = "x" * (cut_at - inside) + KEY
    bodies = {
        "text": text.encode(),
        "html": f"<b>{'<i>' * 2000}</b>{text}".encode(),
        "message": json.dumps({"error": {"message": text}}).encode(),
        "text in JSON": json.dumps({"error": text}).encode(),
        "list": json.dumps({"detail": [{"msg": text}]}).encode(),
        "object": json.dumps({"error": {"message": {"text": text}}}).encode(),
    }
    assert "sk-" not in told(bodies[shape])


def test_code_and_param_are_without_keys_and_bounded() -> None:
    body = json.dumps({"error": {"message": "no", "code": "c" * 190 + KEY, "param": "p" * 9000}}).encode()
    error = error_for(Refusal("up", 400, body, secrets=(KEY,)))
    assert error.code == "c" * 190 + "***"
    assert error.param == "p" * 200


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "abc", "retry-after": "3"}, 3.0),
        ({"retry-after-ms": "nan", "retry-after": "3"}, 3.0),
        ({"retry-after-ms": "inf", "retry-after": "3"}, 3.0),
        ({"retry-after-ms": "", "retry-after": "3"}, 3.0),
        ({"retry-after-ms": "1500", "retry-after": "3"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "soon"}, 1.5),
        ({"retry-after-ms": "-5"}, 0.0),
        ({"retry-after-ms": "abc"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1e308"}, 365 * 24 * 3600.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
        ({}, None),
    ],
)
def test_a_bad_header_does_not_hide_a_good_one(headers: dict[str, str], seconds: float | None) -> None:
    assert patience(headers, now=60.0) == seconds


@given(milliseconds=st.text(max_size=9), seconds=st.text(max_size=9))
def test_patience_is_a_number_of_seconds_or_none(milliseconds: str, seconds: str) -> None:
    found = patience({"retry-after-ms": milliseconds, "retry-after": seconds}, now=0.0)
    assert found is None or 0.0 <= found <= 365 * 24 * 3600.0


@pytest.mark.parametrize("fit", ["req-77", "0f8c_1.2", "r" * 128])
def test_a_request_id_that_is_fit_is_kept(fit: str) -> None:
    assert request_id_of({"x-request-id": fit}, (KEY,)) == fit
    assert error_for(Refusal("up", 500, headers={"x-request-id": fit})).upstream_request_id == fit


@pytest.mark.parametrize("unfit", ["", "r" * 129, "é", "a b", "a\n", f"id-{KEY}", "a, b"])
def test_a_request_id_that_is_not_fit_is_left_out(unfit: str) -> None:
    assert request_id_of({"x-request-id": unfit}, (KEY,)) == ""
    assert error_for(Refusal("up", 500, headers={"x-request-id": unfit}, secrets=(KEY,))).upstream_request_id == ""
