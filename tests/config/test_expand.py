"""Variables in values: how they are written, what unset ones do, and what is never touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llms.config.load import ConfigError
from llms.config.model import Config

Read = Callable[..., Config]
Refuse = Callable[..., ConfigError]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${TEAM}", "research"),
        ("os.environ/TEAM", "research"),
        ("x-${TEAM}-${TEAM}", "x-research-research"),
        ("${NOPE:-there}", "there"),
        ("${TEAM:-there}", "research"),
        ("${EMPTY:-there}", "there"),
        ("${NOPE:-}x", "x"),
        ("a${EMPTY}b", "ab"),
        ("$${TEAM}", "${TEAM}"),
        ("$TEAM", "$TEAM"),
        ("cost: $5", "cost: $5"),
        ("see os.environ/TEAM", "see os.environ/TEAM"),
    ],
)
def test_a_value_is_expanded(written: str, value: str, read: Read) -> None:
    assert read(f'server: {{host: "{written}"}}\n').server.host == value


def test_a_plain_value_of_a_block_needs_no_quotes(read: Read) -> None:
    assert read("server:\n  host: ${TEAM}\n").server.host == "research"


def test_single_quotes_and_blocks_are_expanded_too(read: Read) -> None:
    assert read("server: {host: '${TEAM}'}\n").server.host == "research"
    assert read("server:\n  host: >-\n    ${TEAM}\n").server.host == "research"


def test_a_variable_may_be_a_number_a_boolean_a_duration_a_size(read: Read) -> None:
    config = read(
        'discover: "${ON}"\nserver: {port: "${PORT}", drain: "${DRAIN}", max_body: "${BODY:-1MiB}"}\n'
        'ui: {enabled: "${OFF}"}\nkeys: {required: "${ON}"}\nbatch: {max_ms: "${MS}"}\n',
        ON="true",
        OFF="False",
        PORT="9000",
        DRAIN="5s",
        MS="20",
    )
    assert (config.discover, config.server.port, config.server.drain, config.server.max_body) == (True, 9000, 5, 2**20)
    assert (config.ui.enabled, config.keys.required, config.batch.max_ms) == (False, True, 0.02)


def test_a_value_is_not_expanded_twice_nor_read_as_yaml(read: Read) -> None:
    row = 'providers: {a: {type: openai, api_key: "${K}"}}\n'
    for value in ("${TEAM}", "{x: 1}", "- a\n- b", "no", "12345678", "'"):
        assert read(row, K=value).providers["a"].options == {"api_key": value}


def test_a_line_end_from_a_file_is_dropped(read: Read) -> None:
    row = 'providers: {a: {type: openai, api_key: "${K}"}}\n'
    assert read(row, K="secret\r\n").providers["a"].options == {"api_key": "secret"}


def test_a_provider_without_its_key_is_left_out(read: Read) -> None:
    config = read(
        'providers:\n  a: {type: openai, api_key: "${GONE}"}\n  b: {type: openai, api_key: os.environ/EMPTY}\n'
        '  c: {type: sdk, client: "m:C", options: {api_key: "${LOST}"}}\n'
        '  d: {type: openai, api_key: "${GONE}", base_url: "http://${HOST_D}/"}\n'
        '  e: {type: openai, api_key: "${GONE:-}"}\n  f: {type: openai, api_key: "${GONE}${GONE}"}\n'
    )
    assert config.skipped == {
        "a": "needs GONE",
        "b": "needs EMPTY",
        "c": "needs LOST",
        "d": "needs GONE and HOST_D",
        "f": "needs GONE",
    }
    assert config.providers["e"].options == {"api_key": ""}


def test_a_row_that_is_left_out_is_still_checked(refuse: Refuse) -> None:
    error = refuse('providers: {a: {type: openai, api_key: "${GONE}", retires: 1, limits: {queue: -1}}}\n')
    assert [problem.path for problem in error.problems] == ["providers.a.retires", "providers.a.limits.queue"]


def test_the_variables_of_a_disabled_row_are_not_needed(read: Read) -> None:
    config = read('providers: {a: {type: openai, base_url: "${GONE}", enabled: false}}\n')
    assert config.skipped == {"a": "disabled"}


def test_enabled_is_true_or_false(refuse: Refuse) -> None:
    (problem,) = refuse("providers: {a: {type: openai, enabled: maybe}}\n").problems
    assert (problem.path, problem.message) == ("providers.a.enabled", "must be true or false")


def test_a_value_that_is_no_text_is_refused_without_showing_it(refuse: Refuse) -> None:
    error = refuse('providers: {a: {type: openai, api_key: "${K}"}}\n', K="planted-\udcff-secret")
    assert "the variable K is not text" in str(error)
    assert "planted" not in str(error)


@pytest.mark.parametrize("written", ["${}", "${1}", "${A-b}", "${A:?b}", "${env.A}", "${A:-${TEAM}}", "${A", "x${ A }"])
def test_what_looks_like_a_variable_and_is_none_is_refused(written: str, refuse: Refuse) -> None:
    (problem,) = refuse(f'server: {{host: "{written}"}}\n').problems
    assert problem.message == "this is not a variable"


@pytest.mark.parametrize("written", ["$OPENAI_API_KEY", "env.OPENAI_API_KEY"])
def test_a_key_in_the_style_of_others_says_how_to_write_it(written: str, refuse: Refuse) -> None:
    (problem,) = refuse(f"providers: {{a: {{type: openai, api_key: {written}}}}}\n").problems
    assert problem.hint == 'write "${OPENAI_API_KEY}" or "${OPENAI_API_KEY:-default}"'
