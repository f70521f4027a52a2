"""Which names and texts are taken for secrets, in reports too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llms.config.load import ConfigError
from llms.config.masking import hidden, is_secret, mask_text

Refuse = Callable[..., ConfigError]
PLANTED = "planted-0123456789"


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apiKey", "OPENAI_API_KEY", "x-api-key", "Ocp-Apim-Subscription-Key", "key", "keys", "token"),
        *("HF_TOKEN", "access_token", "clientSecret", "password", "Authorization", "proxy-authorization", "Cookie"),
        *("auth", "credentials"),
    ],
)
def test_a_telling_name_is_a_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["base_url", "model", "author", "tokenizer", "keyboard", "x-team", "stream_usage", ""])
def test_other_names_are_not(name: str) -> None:
    assert not is_secret(name)


def test_the_name_of_a_row_tells_nothing() -> None:
    assert not hidden(("providers", "my-key", "base_url"), "x")
    assert not hidden(("skipped", "my-key"), "needs X")
    assert not hidden(("keys", "required"), "auto")
    assert hidden(("keys", "static", 0), "x")


def test_a_number_is_a_secret_only_where_the_name_ends_so() -> None:
    assert hidden(("providers", "a", "password"), 1234)
    assert not hidden(("batch", "max_tokens"), 5)
    assert not hidden(("providers", "a", "auth"), True)
    assert not hidden(("providers", "a", "key_count"), 5)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/x", "https://***@h/x"),
        ("https://h/x?key=abc&model=m", "https://h/x?key=***&model=m"),
        ("Authorization is Bearer abc.def", "Authorization is Bearer ***"),
        ("my sk-proj-0123456789abcdefgh key", "my *** key"),
        ("https://h/x@y", "https://h/x@y"),
        ("gpt-5.5", "gpt-5.5"),
    ],
)
def test_a_text_is_shown_without_what_looks_like_a_secret(text: str, shown: str) -> None:
    assert mask_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"providers: {{a: {{type: nope, api_key: {PLANTED}, headers: {{Authorization: Bearer {PLANTED}}}}}}}",
        f"providers: {{a: {{type: openai, api_key: '{PLANTED}', retires: 1, options: {{my_token: \"{PLANTED}\"}}}}}}",
        f"keys: {{required: maybe, static: [{PLANTED}, 12345, '{PLANTED}']}}",
        f"providers:\n  a:\n    type: openai\n    api_key: {PLANTED}\n    api_key: {PLANTED}",
        f"providers:\n  a:\n    type: openai_compatible\n"
        f"    headers: &h\n      x-key: >\n        {PLANTED}\n        {PLANTED}\n    headers: *h",
        f"stores: {{state: 'redis://user:{PLANTED}@host', usage: pg}}",
        f"stores: {{state: 'redis://user:{PLANTED}@ho st'}}",
        f"keys:\n  static:\n    - {PLANTED}\n    - 2026-01-01\n    - !!str {PLANTED}",
        f"keys:\n  static:\n    - {PLANTED}: [\n",
        f"keys:\n  static: [{PLANTED}\n",
        f"keys:\n  static:\n  - '{PLANTED}\n",
        f'providers:\n  a: {{api_key: "{PLANTED}, x: ${{Y}}}}\n',
        f"providers:\n  a: {{api_key: {PLANTED}, x: ${{Y}}}}\n",
        f"providers:\n  a:\n    api_key: {PLANTED}: x\n",
        f"providers:\n  a:\n    api_key: |\n      {PLANTED}\n     {PLANTED}\n",
        'server: {port: "${PORT_KEY}"}\nproviders: {a: {type: openai, api_key: [1], base_url: "${PORT_KEY}"}}',
        'providers: {a: {type: openai_compatible, headers: "${PORT_KEY}"}, b: {type: openai, limits: "${PORT_KEY}"}}',
        'models: {m: {targets: ["${PORT_KEY}/x"]}}',
    ],
)
def test_a_report_holds_no_secret(text: str, refuse: Refuse) -> None:
    error = refuse(text, PORT_KEY=PLANTED)
    assert PLANTED not in str(error)
    assert PLANTED not in repr(error.problems)


def test_a_short_word_as_a_key_does_not_blot_the_report(refuse: Refuse) -> None:
    (problem,) = refuse("providers: {ollama: {type: openai, api_key: ollama, retires: 1}}").problems
    assert problem.source_line == "providers: {ollama: {type: openai, api_key: ***, retires: 1}}"
