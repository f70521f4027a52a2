"""Each error has one status, type and code, and survives a journey between processes."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol import errors
from llms.protocol.envelope import envelope
from llms.protocol.errors import LlmsError, RequestError, UpstreamError, excerpt

PATIENT = settings(deadline=None)

CLASSES = sorted(
    (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LlmsError)),
    key=lambda kind: kind.__name__,
)

STATUSES = {
    "InvalidRequest": (400, "invalid_request"),
    "ContextLengthExceeded": (400, "context_length_exceeded"),
    "AuthenticationFailed": (401, "invalid_api_key"),
    "PermissionDenied": (403, "permission_denied"),
    "NotFound": (404, "not_found"),
    "ModelNotFound": (404, "model_not_found"),
    "MethodNotAllowed": (405, "method_not_allowed"),
    "ReplayExpired": (410, "replay_expired"),
    "RequestTooLarge": (413, "request_too_large"),
    "UnsupportedMediaType": (415, "unsupported_media_type"),
    "RateLimited": (429, "rate_limit_exceeded"),
    "BudgetExceeded": (429, "insufficient_quota"),
    "QueueFull": (429, "queue_full"),
    "NotSupported": (501, "not_supported"),
    "LoopDetected": (508, "loop_detected"),
    "UpstreamUnreachable": (502, "upstream_unreachable"),
    "UpstreamAuthenticationFailed": (502, "upstream_authentication_failed"),
    "UpstreamProtocolError": (502, "upstream_protocol_error"),
    "UpstreamTruncated": (502, "upstream_truncated"),
    "UpstreamTimeout": (504, "upstream_timeout"),
    "UpstreamUnavailable": (503, "upstream_unavailable"),
    "UpstreamOverloaded": (503, "upstream_overloaded"),
    "UpstreamOutOfService": (503, "upstream_unavailable"),
    "InternalError": (500, "internal_error"),
    "Cancelled": (499, "cancelled"),
}


@pytest.mark.parametrize(("name", "expected"), STATUSES.items())
def test_status_and_code_are_those_of_the_contract(name: str, expected: tuple[int, str]) -> None:
    error = getattr(errors, name)("text")
    assert (error.http_status, error.code) == expected


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_stands_in_the_tree_at_the_top_of_the_file(kind: type[LlmsError]) -> None:
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


@pytest.mark.parametrize("kind", CLASSES)
def test_only_overload_and_the_upstreams_faults_are_tried_again(kind: type[LlmsError]) -> None:
    final = {"UpstreamAuthenticationFailed", "UpstreamOutOfService", "UpstreamRejected"}
    patient = {"RateLimited", "QueueFull"}
    hopeful = issubclass(kind, UpstreamError) and kind.__name__ not in final
    assert kind.retryable is (hopeful or kind.__name__ in patient)
    assert not (issubclass(kind, RequestError) and issubclass(kind, UpstreamError))


@pytest.mark.parametrize("kind", CLASSES)
def test_the_envelope_has_all_four_keys(kind: type[LlmsError]) -> None:
    plain = json.loads(json.dumps(envelope(kind("what happened"))))["error"]
    assert plain == {"message": "what happened", "type": kind.type, "param": None, "code": kind.default_code}
    full = envelope(kind("text", code="own", param="messages[0]"))["error"]
    assert (full["code"], full["param"]) == ("own", "messages[0]")


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_survives_pickling(kind: type[LlmsError]) -> None:
    error = kind("text", code="c", param="p", retry_after=1.5, status=418)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert str(again) == "text"


@PATIENT
@given(st.text(st.characters(codec=None)) | st.binary() | st.lists(st.integers()), st.integers(10, 300))
def test_an_excerpt_is_short_and_printable(value: object, limit: int) -> None:
    shown = excerpt(value, limit)
    assert len(shown) <= limit
    assert shown.isprintable()


def test_an_excerpt_shows_what_fits_whole() -> None:
    assert excerpt("x" * 200) == "x" * 200
    assert excerpt("x" * 201) == "x" * 199 + "…"
    assert excerpt("a\n\x1b[31mb") == "a��[31mb"
    assert excerpt([1, "a"]) == "[1, 'a']"
