"""What counts as a secret, and what does not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.telemetry.redact import Redactor, is_sensitive, without_secrets


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("used sk-proj-Abc_123-xyz789 for it", "used *** for it"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("sent bearer eyJhbGciOi.J9 along", "sent bearer *** along"),
        ("authorization=Basic dXNlcjpwYXNz", "authorization=Basic ***"),
        ("{'x-api-key': 'fh38fh38', 'accept': '*/*'}", "{'x-api-key': '***', 'accept': '*/*'}"),
        ('{"api_key": "fh38fh38"}', '{"api_key": "***"}'),
        ("GET https://host/v1/models?alt=sse&key=AIzaSyFh38", "GET https://host/v1/models?alt=sse&key=***"),
        ("https://joe:hunter2@host/v1", "https://***@host/v1"),
        ("password: hunter2", "password: ***"),
        ("Cookie: session=abc123; theme=dark", "Cookie: ***; theme=dark"),
        ("access_token=ya29.fh38&x=1", "access_token=***&x=1"),
        ("line\nsk-abcdefgh12", "line\n***"),
    ],
)
def test_keys_are_recognised_by_their_shape_or_place(text: str, kept: str) -> None:
    assert Redactor().text(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 5 is too small",
        "invalid token in line 3",
        "risk-adjusted task-forces use a disk-cache",
        "https://host:8080/v1/chat?model=a@b",
        "an api key is missing",
        "the key_id is key-12345678",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "name", ["api_key", "x-api-key", "X-Goog-Api-Key", "Authorization", "set-cookie", "db_password"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize("name", ["key_id", "prompt_tokens", "max_tokens", "request_id", "passwords_checked", "monkey"])
def test_names_of_other_things(name: str) -> None:
    assert not is_sensitive(name)


def test_new_secrets_take_the_place_of_old_ones() -> None:
    redactor = Redactor(["old-secret-value"])
    redactor.update(["new-secret-value"])
    assert redactor.text("old-secret-value new-secret-value") == "old-secret-value ***"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redactor(["swordfish", "swordfish-and-more"]).text("(swordfish-and-more)") == "(***)"


@pytest.mark.parametrize("placeholder", ["ollama", "none", "x", ""])
def test_placeholder_keys_leave_the_log_readable(placeholder: str) -> None:
    assert (
        Redactor([placeholder]).text("ollama answered, none of 2 failed, x") == "ollama answered, none of 2 failed, x"
    )


@given(st.text(st.characters(codec="utf-8"), min_size=8))
def test_any_secret_is_found_in_text_in_json_and_in_repr(secret: str) -> None:
    redactor = Redactor([secret])
    assert secret not in redactor.text(f"a {secret} b").replace("***", "")
    assert json.dumps(secret)[1:-1].encode() not in redactor.json(json.dumps({"x": secret}).encode())
    assert repr(secret)[1:-1] not in redactor.text(repr({"x": secret}))


SHAPED = st.lists(
    st.sampled_from(["sk-abcdefgh", "Bearer ", "api_key", ":", "=", " ", '"', "\\", "\n", "://", "u:p@", "x", "{", "]"])
).map("".join)


@given(st.dictionaries(SHAPED, SHAPED | st.lists(SHAPED)))
def test_json_stays_json(value: dict[str, object]) -> None:
    assert len(json.loads(Redactor().json(json.dumps(value, ensure_ascii=False).encode()))) <= len(value)


def test_nested_values_lose_their_secrets_and_keep_the_rest() -> None:
    nested = {"headers": [{"X-Api-Key": "fh38", "accept": "*/*"}], "n": 1, "pair": ({"password": None},)}
    assert without_secrets(nested) == {
        "headers": [{"X-Api-Key": "***", "accept": "*/*"}],
        "n": 1,
        "pair": [{"password": "***"}],
    }


def test_nesting_has_a_floor() -> None:
    circle: dict[str, object] = {}
    circle["again"] = circle
    assert "…" in repr(without_secrets(circle))


def test_learnt_secrets_stay_through_updates_and_are_bounded() -> None:
    redactor = Redactor(["configured-secret"])
    redactor.learn(["learnt-secret-one", "learnt-secret-two"])
    redactor.update(["other-configured-secret"])
    assert redactor.text("learnt-secret-one learnt-secret-two") == "*** ***"
    assert redactor.text("configured-secret other-configured-secret") == "configured-secret ***"
    for number in range(400):
        redactor.learn([f"learnt-secret-{number:04}", "learnt-secret-one"])
    assert redactor.text("learnt-secret-one learnt-secret-0399 learnt-secret-two") == "*** *** learnt-secret-two"
    assert len(redactor.needles) <= 2 + 256
