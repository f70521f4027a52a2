"""Which providers there are: what wins where the file, the environment and entered keys name the same one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from llms.config.entered import EnteredKeys
from llms.config.load import loads
from llms.config.model import Config
from llms.config.secret import SecretStr
from llms.gateway.changes import EnterKey, ForgetKey, Switch, apply
from llms.gateway.roster import Entry, Roster
from llms.protocol.errors import Conflict, InvalidRequest, LlmsError, NotFound
from llms.providers import discover, registry
from llms.providers.discover import Found

KEY = "sk-entered-0123456789-Qx7z"
ENVIRON = {"FILE_KEY": "key-of-a-variable"}
TEXT = """
discover: true
providers:
  plain: {type: openai_compatible, base_url: "http://127.0.0.1:9/v1"}
  keyed: {type: openai_compatible, base_url: "http://127.0.0.1:9/v1", api_key: "key-in-the-file"}
  header: {type: openai_compatible, base_url: "http://127.0.0.1:9/v1", headers: {x-auth-token: "key-in-a-header"}}
  empty: {type: openai_compatible, base_url: "http://127.0.0.1:9/v1", api_key: "${NO_KEY:-}"}
  variable: {type: openai, api_key: "${FILE_KEY}"}
  waiting: {type: openai, api_key: "${MISSING_KEY}"}
  sdk: {type: sdk, client: "openai:AsyncOpenAI", options: {api_key: "${MISSING_KEY}", max_retries: 0}}
  two: {type: sdk, client: "openai:AsyncOpenAI", options: {api_key: "${MISSING_KEY}", base_url: "${MISSING_URL}"}}
  idle: {type: groq, api_key: "${MISSING_KEY}", enabled: false}
  mistral: {type: mistral, api_key: "key-in-the-file", enabled: false}
  echo: {type: echo}
"""


def configured(text: str = TEXT) -> Config:
    return loads(text, filename="test.yaml", environ=ENVIRON, validate_options=registry.validate)


@pytest.fixture
def roster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Roster:
    return made(tmp_path, monkeypatch)


def made(
    place: Path, monkeypatch: pytest.MonkeyPatch, environ: Mapping[str, str] = ENVIRON, text: str = TEXT
) -> Roster:
    monkeypatch.setattr(discover, "libraries", list)
    keys = EnteredKeys(place / "keys.yaml")
    assert keys.load() == []
    return Roster(configured(text), environ=environ, data_dir=place, keys=keys)


def enter(roster: Roster, name: str, *, keep: bool = False) -> Entry:
    apply(EnterKey(name, SecretStr(KEY), keep=keep), roster)
    return roster.entries()[name]


def options(roster: Roster, name: str) -> Mapping[str, object]:
    return roster.configuration().providers[name].options


def test_rows_tell_where_their_key_is_from(roster: Roster) -> None:
    states = {name: entry.key for name, entry in roster.entries().items()}

    assert states == {
        "plain": "none",
        "keyed": "file",
        "header": "file",
        "empty": "none",
        "variable": "environment",
        "waiting": "none",
        "sdk": "none",
        "two": "none",
        "idle": "none",
        "mistral": "none",
        "echo": "none",
    }


def test_rows_that_lack_something_are_left_out_as_before(roster: Roster) -> None:
    config = roster.configuration()

    assert config.providers.keys() == {"plain", "keyed", "header", "empty", "variable", "echo"}
    assert config.skipped == configured().skipped
    assert config.skipped["two"] == "needs MISSING_KEY and MISSING_URL"


@pytest.mark.parametrize("name", ["plain", "empty", "waiting"])
def test_a_key_fills_a_row_that_has_none(roster: Roster, name: str) -> None:
    entry = enter(roster, name)

    assert (entry.source, entry.key, entry.ending, entry.outranked, entry.lacks) == ("row", "entered", "Qx7z", "", "")
    assert options(roster, name)["api_key"] == KEY
    assert name not in roster.configuration().skipped


def test_a_key_goes_where_the_row_waits_for_it(roster: Roster) -> None:
    enter(roster, "sdk")

    assert options(roster, "sdk")["options"] == {"api_key": KEY, "max_retries": 0}


@pytest.mark.parametrize(("name", "state"), [("keyed", "file"), ("header", "file"), ("variable", "environment")])
def test_keys_of_the_file_win(roster: Roster, name: str, state: str) -> None:
    before = options(roster, name)
    entry = enter(roster, name)

    assert options(roster, name) == before
    assert (entry.key, entry.ending) == (state, "Qx7z")
    assert entry.outranked == f"the key of {'the environment' if state == 'environment' else 'providers.yaml'} counts"


@pytest.mark.parametrize("name", ["idle", "mistral"])
def test_a_row_that_the_file_switches_off_stays_off(roster: Roster, name: str) -> None:
    entry = enter(roster, name)
    with pytest.raises(Conflict, match="enabled: false"):
        apply(Switch(name, enabled=True), roster)
    apply(Switch(name, enabled=False), roster)

    assert entry.outranked == "providers.yaml: disabled"
    assert roster.configuration().skipped[name] == "disabled"


def test_discovery_does_not_bring_back_what_the_file_switches_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roster = made(tmp_path, monkeypatch, environ={"MISTRAL_API_KEY": KEY, "GROQ_API_KEY": KEY})

    assert "mistral" not in roster.configuration().providers
    assert options(roster, "groq")["api_key"] == KEY


def test_a_key_makes_a_well_known_provider(roster: Roster) -> None:
    entry = enter(roster, "deepseek")

    assert (entry.source, entry.type, entry.key) == ("entered", "deepseek", "entered")
    assert options(roster, "deepseek")["base_url"] == "https://api.deepseek.com/v1"
    apply(ForgetKey("deepseek"), roster)
    assert "deepseek" not in roster.entries()


def test_a_key_makes_a_provider_where_discovery_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"DEEPSEEK_API_KEY": "key-of-the-environment", "DEEPSEEK_BASE_URL": "http://127.0.0.1:9"}
    roster = made(tmp_path, monkeypatch, environ=environ, text="providers: {}")
    assert roster.entries() == {}
    enter(roster, "deepseek")

    assert options(roster, "deepseek")["api_key"] == KEY
    assert options(roster, "deepseek")["base_url"] == "http://127.0.0.1:9/v1"


def test_keys_of_the_environment_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roster = made(tmp_path, monkeypatch, environ={"DEEPSEEK_API_KEY": "key-of-the-environment"})
    entry = enter(roster, "deepseek", keep=True)

    assert (entry.source, entry.key, entry.is_kept) == ("environment", "environment", True)
    assert entry.outranked == "the key of the environment counts"
    assert options(roster, "deepseek")["api_key"] == "key-of-the-environment"
    later = made(tmp_path, monkeypatch, environ={})
    assert options(later, "deepseek")["api_key"] == KEY


def test_a_local_server_takes_a_key_and_goes_after_three_misses(roster: Roster) -> None:
    server = Found("ollama", "ollama", {"base_url": "http://127.0.0.1:11434/v1"}, "answers on port 11434", local=True)
    assert roster.saw([server])
    assert not roster.saw([server])
    assert enter(roster, "ollama").source == "local_server"
    assert options(roster, "ollama")["api_key"] == KEY
    assert [roster.saw([]) for _ in range(3)] == [False, False, True]
    assert "ollama" not in roster.entries()
    roster.saw([server])
    assert options(roster, "ollama")["api_key"] == KEY


def test_a_switch_survives_a_new_configuration(roster: Roster) -> None:
    enter(roster, "deepseek")
    for name in ("plain", "deepseek", "waiting"):
        apply(Switch(name, enabled=False), roster)
    roster.config = configured(TEXT.replace("echo: {type: echo}", "other: {type: echo}"))
    config = roster.configuration()

    assert {config.skipped[name] for name in ("plain", "deepseek", "waiting")} == {"switched off while the server ran"}
    assert "other" in config.providers
    for name in ("plain", "deepseek", "waiting"):
        apply(Switch(name, enabled=True), roster)
    assert {"plain", "deepseek"} <= roster.configuration().providers.keys()
    assert roster.configuration().skipped["waiting"] == "needs MISSING_KEY"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (EnterKey("nobody", SecretStr(KEY), keep=False), NotFound),
        (EnterKey("openai_compatible", SecretStr(KEY), keep=False), NotFound),
        (EnterKey("vllm", SecretStr(KEY), keep=False), InvalidRequest),
        (EnterKey("echo", SecretStr(KEY), keep=False), InvalidRequest),
        (EnterKey("two", SecretStr(KEY), keep=False), Conflict),
        (ForgetKey("nobody"), NotFound),
        (ForgetKey("keyed"), NotFound),
        (Switch("nobody", enabled=True), NotFound),
    ],
)
def test_what_cannot_be_changed_is_said_and_changes_nothing(
    roster: Roster, change: EnterKey | ForgetKey | Switch, error: type[LlmsError]
) -> None:
    before = roster.configuration()
    with pytest.raises(error):
        apply(change, roster)

    assert roster.configuration() == before
    assert not roster.keys.providers


def test_a_key_cannot_be_kept_without_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "libraries", list)
    roster = Roster(configured(), environ={}, data_dir=tmp_path, keys=EnteredKeys(None))
    with pytest.raises(Conflict, match="keep: memory"):
        enter(roster, "deepseek", keep=True)
    assert enter(roster, "deepseek").key == "entered"


def test_a_file_that_cannot_be_written_is_told_without_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roster = made(tmp_path, monkeypatch)
    (tmp_path / "keys.yaml").mkdir()
    with pytest.raises(Conflict, match=r"keys\.yaml") as refusal:
        enter(roster, "deepseek", keep=True)
    assert KEY not in refusal.value.message
    assert "deepseek" not in roster.entries()
