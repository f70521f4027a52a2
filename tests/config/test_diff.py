"""What is shown of a configuration and of its changes: everything but secrets."""

from __future__ import annotations

import json
from collections.abc import Callable

import yaml
from hypothesis import given
from hypothesis import strategies as st

from llms.config.diff import diff, masked, secret_values
from llms.config.load import loads, without_file
from llms.config.model import Config, ProviderRow

Read = Callable[..., Config]

PLANTED = "planted-0123456789"

SECRETS = """
providers:
  a: {type: openai, api_key: "planted-0123456789-a"}
  b:
    type: openai_compatible
    base_url: "https://user:planted-0123456789-b@host.example/v1?api_key=planted-0123456789-c&x=1"
    headers:
      Authorization: Bearer planted-0123456789-d
      x-api-key: planted-0123456789-e
      Cookie: planted-0123456789-f
      x-team: "${MY_SECRET}"
      x-note: "see ${SOME_TOKEN}!"
  c: {type: sdk, client: "m:C", options: {auth: {user: planted-0123456789-g},
    password: "planted-0123456789-h", pin: {token: 12345}}}
server: {data_dir: "/x/${DB_PASSWORD}"}
keys: {static: ["planted-0123456789-i", "${LLMS_API_KEY}"]}
"""
ENVIRON = {
    "MY_SECRET": f"{PLANTED}-1",
    "SOME_TOKEN": f"{PLANTED}-2",
    "DB_PASSWORD": f"{PLANTED}-3",
    "LLMS_API_KEY": f"{PLANTED}-4",
}


def test_no_secret_is_shown(read: Read) -> None:
    config = read(SECRETS, **ENVIRON)
    shown = masked(config)
    assert PLANTED not in json.dumps(shown)
    assert shown["providers"]["c"]["options"]["pin"] == {"token": "***"}
    assert shown["providers"]["b"]["base_url"] == "https://***@host.example/v1?api_key=***&x=1"
    assert shown["providers"]["b"]["headers"]["x-team"] == "***"
    assert shown["keys"] == {"required": "auto", "static": ["***", "***"]}
    assert PLANTED not in repr((config.providers, config.keys))


def test_no_secret_is_in_a_diff(read: Read) -> None:
    before = read(SECRETS, **ENVIRON)
    after = read(
        SECRETS.replace("0123456789-", "0123456789-new-"), **{key: f"{value}!" for key, value in ENVIRON.items()}
    )
    for lines in (diff(before, after), diff(without_file(), after), diff(after, without_file())):
        assert PLANTED not in "\n".join(lines)
    changed = [line.removesuffix(": changed") for line in diff(before, after) if line.endswith(": changed")]
    assert changed[:3] == ["server.data_dir", "keys.static", "providers.a.api_key"]
    assert "providers.b.base_url" in changed


@given(st.text(st.characters(whitelist_categories=("Ll", "Nd")), min_size=8, max_size=30))
def test_whatever_the_key_is_it_is_not_shown(random_key: str) -> None:
    key = f"zz{random_key}"
    config = loads(
        'providers: {a: {type: x, api_key: "${K}", deep: {list: [{x_token: "${K}"}, "${A_KEY}"]}}}\n'
        'keys: {static: ["${K}"]}\n',
        filename="f",
        environ={"K": key, "A_KEY": key},
        validate_options=lambda kind, options: [],
    )
    assert key not in json.dumps(masked(config), ensure_ascii=False)
    assert key not in "\n".join(diff(without_file(), config))
    assert secret_values(config) == {key}


def test_secret_values_are_listed_for_who_writes_logs(read: Read) -> None:
    values = secret_values(read(SECRETS, **ENVIRON))
    assert {f"{PLANTED}-{mark}" for mark in "aefghi14"} <= values
    assert f"see {PLANTED}-2!" in values


def test_what_is_no_secret_is_shown_as_people_write_it(example: str, read: Read) -> None:
    shown = masked(read(example))
    assert shown["server"]["max_body"] == "32MiB"
    assert shown["defaults"]["timeouts"] == {
        "connect": "5s",
        "first_chunk": "90s",
        "answer": "8m",
        "idle": "45s",
        "total": "20m",
    }
    assert shown["batch"] == {"max_tokens": 3, "max_ms": "40ms"}
    assert shown["providers"]["azure-eu"]["headers"] == {"x-team": "research", "Authorization": "***"}
    assert shown["providers"]["local"]["models"]["qwen"]["n_ctx"] == 8192
    assert shown["models"]["fast"]["targets"][0] == {"target": "azure-eu/llama-4", "weight": 3}
    assert shown["skipped"]["spare"] == "disabled"


def test_what_is_shown_loads_again(example: str, read: Read) -> None:
    config = read(example, ANTHROPIC_API_KEY="sk-ant-1", AIREFINERY_API_KEY="air-1")
    shown = masked(config)
    assert shown.pop("skipped") == {"spare": "disabled"}
    assert shown.pop("source") == "providers.yaml"
    again = read(yaml.safe_dump(shown))
    assert (again.server, again.defaults, again.models) == (config.server, config.defaults, config.models)


def test_each_change_is_one_line(example: str, read: Read) -> None:
    changed = (
        example.replace("port: 8123", "port: 9000")
        .replace("retries: 0", "retries: 3")
        .replace('  ollama: {type: openai_compatible, base_url: "http://localhost:11434/v1"}\n', "")
        .replace("strategy: weighted", "strategy: fastest")
        .replace("discover: false", "discover: true")
        .replace("targets: [openai/gpt-5.5, claude/claude-opus-5]", "targets: [openai/gpt-5.5]")
        + "\n  # more\n"
    ).replace("models:\n  smart", "models:\n  new: {targets: [openai/x]}\n  smart")
    assert diff(read(example), read(changed, SPARE_API_KEY="x")) == [
        "discover: false -> true",
        "server.port: 8123 -> 9000",
        "providers.azure-eu.retries: 0 -> 3",
        "providers.ollama: removed",
        'models.smart.targets: [{"target": "openai/gpt-5.5", "weight": 1}, {"target": "claude/claude-opus-5", '
        '"weight": 1}] -> [{"target": "openai/gpt-5.5", "weight": 1}]',
        "models.fast.strategy: weighted -> fastest",
        'models.new: added {"targets": [{"target": "openai/x", "weight": 1}], "strategy": "ordered", '
        '"on_context_overflow": null, "single_flight":…',
    ]


def test_nothing_changed_is_no_line(example: str, read: Read) -> None:
    assert diff(read(example), read(example)) == []


def test_a_key_that_comes_or_goes_is_told(read: Read) -> None:
    row = 'providers: {a: {type: openai, api_key: "${K}"}}'
    with_key, without_key = read(row, K="sk-1"), read(row)
    assert diff(without_key, with_key)[-1] == "skipped.a: removed"
    assert diff(with_key, without_key) == ["providers.a: removed", "skipped.a: added needs K"]


def test_a_row_that_discovery_made_is_shown_too() -> None:
    row = ProviderRow(name="found", type="openai", options={"api_key": "sk-planted", "many": ("a", "b")})
    shown = masked(Config(providers={"found": row}))["providers"]["found"]
    assert (shown["type"], shown["api_key"], shown["many"], shown["retries"]) == ("openai", "***", ["a", "b"], 2)


def test_a_change_of_several_lines_stays_one_line(read: Read) -> None:
    row = 'providers: {a: {type: openai, base_url: "%s"}}'
    (line,) = diff(read(row % "a"), read(row % "b\\nc"))
    assert line == 'providers.a.base_url: a -> "b\\nc"'
