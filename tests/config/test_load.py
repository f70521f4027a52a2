"""Files that are right: what they mean, what is merged, what is left out; and files that cannot even be read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from llms.config.load import ConfigError, ValidateOptions, load, loads, without_file
from llms.config.model import Config, Limits, ModelRow, Target, Timeouts
from llms.providers import registry

Read = Callable[..., Config]


def test_the_example_means_what_it_says(example: str, read: Read) -> None:
    config = read(example, ANTHROPIC_API_KEY="sk-ant-planted")
    assert config.discover is False
    server = config.server
    assert (server.host, server.port, server.workers, server.max_body) == ("127.0.0.1", 8123, 2, 32 * 2**20)
    assert (server.drain, server.allowed_hosts) == (20.0, ("llm.example.com",))
    assert (server.cors_origins, server.data_dir) == (("https://app.example.com",), "/var/lib/llms")
    assert config.defaults.model == "smart"
    assert config.defaults.timeouts == Timeouts(connect=5, first_chunk=90, answer=480, idle=45, total=1200)
    assert config.keys.required is True
    assert [key.get_secret_value() for key in config.keys.static] == ["a-static-key-of-32-characters-xx"]
    assert (config.stores.usage, config.stores.state) == ("sqlite:////var/lib/llms/usage.sqlite3", "memory")
    assert (config.resume.grace, config.resume.keep, config.resume.buffer) == (30.0, 120.0, 2**20)
    assert (config.batch.max_tokens, config.batch.max_ms) == (3, 0.04)
    assert (config.ui.enabled, config.ui.streaming) == (True, "off")
    assert config.source == "providers.yaml"
    assert list(config.providers) == ["openai", "azure-eu", "claude", "ollama", "local"]
    assert config.skipped == {"refinery-sdk": "needs AIREFINERY_API_KEY", "spare": "disabled"}
    assert config.notes == ()


def test_the_models_of_the_example_have_their_targets(example: str, read: Read) -> None:
    models = read(example).models
    assert models["smart"] == ModelRow(
        targets=(Target(target="openai/gpt-5.5"), Target(target="claude/claude-opus-5")),
        on_context_overflow="azure-eu/meta/llama-4-long",
    )
    assert [(target.target, target.weight) for target in models["fast"].targets] == [
        ("azure-eu/llama-4", 3),
        ("local/qwen", 1),
        ("local/demo", 1),
    ]
    assert models["fast"].strategy == "weighted"
    assert models["gpt-4o*"].targets == (Target(target="openai/*"),)


def test_a_row_has_its_own_values_over_the_defaults(example: str, read: Read) -> None:
    providers = read(example).providers
    azure, openai = providers["azure-eu"], providers["openai"]
    assert azure.timeouts == Timeouts(connect=5, first_chunk=90, answer=480, idle=30, total=1200)
    assert azure.limits == Limits(concurrency=64, queue=64, max_event=4 * 2**20)
    assert (azure.retries, azure.max_retry_after, azure.cooldown, azure.heartbeat) == (0, 5.0, 0.0, 2.5)
    assert (openai.retries, openai.max_retry_after, openai.cooldown, openai.heartbeat) == (1, 20.0, 60.0, 10.0)
    assert openai.limits == Limits(concurrency=16, queue=64, max_event=4 * 2**20)


def test_a_row_keeps_the_keys_of_its_provider(example: str, read: Read) -> None:
    providers = read(example).providers
    assert (providers["azure-eu"].name, providers["azure-eu"].type) == ("azure-eu", "openai_compatible")
    assert providers["azure-eu"].options == {
        "base_url": "https://eu.example.com/openai/v1",
        "api_key": "azure-planted-0123456789",
        "headers": {"x-team": "research", "Authorization": "Bearer token-planted-0123456789"},
        "stream_usage": "ask",
    }
    assert providers["local"].options["models"]["qwen"]["n_ctx"] == 8192


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "---\n", "~", "null\n", "{}", "server:\nproviders:\nmodels:\nkeys:\n"]
)
def test_a_file_that_says_nothing_means_the_defaults_without_discovery(text: str, read: Read) -> None:
    assert read(text) == Config(source="providers.yaml")
    assert read(text).discover is False


def test_an_empty_section_of_a_row_means_the_defaults(read: Read) -> None:
    row = read("defaults: {retries: 7}\nproviders: {a: {type: openai, limits: , timeouts: }}\n").providers["a"]
    assert (row.retries, row.limits, row.timeouts) == (7, Limits(), Timeouts())


def test_the_registry_of_provider_types_is_asked_about_rows() -> None:
    text = "providers:\n  a: {type: openai, api_kye: x}\n  b: {type: opnai}\n  c: {type: echo, retires: 1}\n"
    with pytest.raises(ConfigError) as caught:
        loads(text, filename="f", environ={}, validate_options=registry.validate)
    told = [(problem.line, problem.column, problem.path) for problem in caught.value.problems]
    assert told == [(2, 21, "providers.a.api_kye"), (3, 13, "providers.b.type"), (4, 19, "providers.c.retires")]
    assert caught.value.problems[2].hint == 'did you mean "retries"?'


@pytest.mark.parametrize("kind", ["openai", "openai_compatible", "sdk", "llama_cpp", "echo"])
@pytest.mark.parametrize(
    ("written", "meant"),
    [("timeuots", "timeouts"), ("limit", "limits"), ("retires", "retries"), ("enabeld", "enabled")],
)
def test_a_shared_key_may_be_what_was_meant_in_a_row_of_any_type(kind: str, written: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(
            f"providers: {{a: {{type: {kind}, {written}: 1}}}}",
            filename="f",
            environ={},
            validate_options=registry.validate,
        )
    hints = [problem.hint for problem in caught.value.problems if problem.path == f"providers.a.{written}"]
    assert hints == [f'did you mean "{meant}"?']


def test_without_a_file_everything_is_discovered() -> None:
    assert without_file() == Config(discover=True)


def test_the_defaults_are_those_of_the_documentation() -> None:
    config = without_file()
    assert config.server.as_dict(without=["data_dir"]) == {
        "host": "127.0.0.1",
        "port": 8000,
        "workers": 1,
        "max_body": 64 * 2**20,
        "max_upload": 512 * 2**20,
        "drain": 30.0,
        "allowed_hosts": (),
        "cors_origins": (),
        "fast_path": True,
    }
    assert config.defaults.timeouts.as_dict() == {
        "connect": 10.0,
        "first_chunk": 120.0,
        "answer": 600.0,
        "idle": 60.0,
        "total": 1800.0,
    }
    assert config.defaults.limits.as_dict() == {"concurrency": 0, "queue": 256, "max_event": 16 * 2**20}
    assert (config.defaults.retries, config.defaults.max_retry_after) == (2, 10.0)
    assert (config.defaults.cooldown, config.defaults.heartbeat, config.defaults.model) == (30.0, 15.0, None)
    assert (config.keys.required, config.keys.static) == ("auto", ())
    assert (config.resume.grace, config.resume.keep, config.resume.buffer) == (60.0, 300.0, 8 * 2**20)
    assert (config.batch.max_tokens, config.batch.max_ms) == (5, 0.1)


def test_a_target_may_be_what_discovery_brings_only_where_it_is_on(read: Read) -> None:
    models = "models: {m: {targets: [ollama/qwen3]}}\n"
    assert read(f"discover: true\n{models}", known_providers=["ollama"]).models
    with pytest.raises(ConfigError, match="or write discover: true"):
        read(models, known_providers=["ollama"])


def test_a_target_that_is_left_out_is_a_note_and_no_error(read: Read) -> None:
    config = read(
        'providers: {a: {type: openai, api_key: "${GONE}"}, b: {type: openai, enabled: false}}\n'
        "models: {m: {targets: [a/x, {target: b/y}], on_context_overflow: a/z}}\n"
    )
    assert config.notes == (
        "models.m.targets.0: provider a is left out: needs GONE",
        "models.m.targets.1: provider b is left out: disabled",
        "models.m.on_context_overflow: provider a is left out: needs GONE",
    )
    assert len(config.models["m"].targets) == 2


def test_anchors_and_merges_are_read(read: Read) -> None:
    config = read(
        "providers:\n  a: &a {type: openai, api_key: x, timeouts: &t {idle: 7s}}\n  b: {<<: *a, api_key: y}\n"
        "  c: {type: openai, timeouts: *t}\n  d: {<<: [{retries: 5}, *a]}\n"
    )
    assert config.providers["b"].options == {"api_key": "y"}
    assert config.providers["c"].timeouts.idle == 7
    assert (config.providers["d"].retries, config.providers["d"].options) == (5, {"api_key": "x"})


def test_a_file_is_loaded_from_its_path(tmp_path: Path, validate: ValidateOptions) -> None:
    path = tmp_path / "providers.yaml"
    path.write_bytes(b"\xef\xbb\xbfserver: {port: 9}\r\n")
    config = load(path, environ={}, validate_options=validate)
    assert (config.server.port, config.source) == (9, str(path))


def _unreadable(path: Path, validate: ValidateOptions) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environ={}, validate_options=validate)
    assert str(caught.value).startswith(str(path))
    assert len(caught.value.problems) == 1
    return str(caught.value).removeprefix(str(path))


def test_a_file_that_is_not_there_says_so(tmp_path: Path, validate: ValidateOptions) -> None:
    assert _unreadable(tmp_path / "none.yaml", validate) == ": cannot be read: No such file or directory"


def test_a_path_that_cannot_be_one_says_so(validate: ValidateOptions) -> None:
    assert "cannot be read" in _unreadable(Path("a\0b"), validate)


def test_a_directory_says_so(tmp_path: Path, validate: ValidateOptions) -> None:
    assert _unreadable(tmp_path, validate) == ": is a directory, name the file in it"


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in the file system")
def test_a_pipe_does_not_block(tmp_path: Path, validate: ValidateOptions) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _unreadable(tmp_path / "pipe", validate) == ": is not a regular file, copy it into a file first"


def test_a_huge_file_is_refused(tmp_path: Path, validate: ValidateOptions) -> None:
    path = tmp_path / "huge"
    path.write_bytes(b"#" * (2**20 + 1))
    assert _unreadable(path, validate) == ": is larger than 1 MiB, check that it is the right file"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a: 1\nb: \xfc\n", ":2:4: is not UTF-8 here, save the file as UTF-8\n    2 | b: �"),
        ("a: 1".encode("utf-16"), ":1:1: is not UTF-8 here, this looks like UTF-16: save the file as UTF-8\n"),
        (b"a: 1\nb: x\0y\n", ":2:5: a NUL byte cannot stand here, remove it; is this a text file?\n    2 | b: x"),
        (
            b"a: \x07",
            ":1:4: the control character U+0007 cannot stand here, remove it; is this a text file?\n    1 | a: ",
        ),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(
    raw: bytes, said: str, tmp_path: Path, validate: ValidateOptions
) -> None:
    path = tmp_path / "providers.yaml"
    path.write_bytes(raw)
    assert _unreadable(path, validate).startswith(said)
