"""How providers stand when their key was entered in a server before: as it would be there."""

from __future__ import annotations

from pathlib import Path

import pytest

from llms.app import Engine
from llms.cli.standing import standings
from llms.config.load import loads
from llms.providers import discover, registry

TEXT = 'providers:\n  mine: {type: openai, api_key: "${NO_KEY}"}\n  other: {type: openai, api_key: "${NO_KEY}"}\n'


def test_a_row_with_an_entered_key_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "libraries", list)
    keys = tmp_path / "llms" / "keys.yaml"
    keys.parent.mkdir()
    keys.write_text('mine: "key-entered-before"\ngroq: "key-entered-before"\n')
    keys.chmod(0o600)
    config = loads(TEXT, filename="p.yaml", environ={}, validate_options=registry.validate)
    learnt: set[str] = set()
    engine = Engine(config, environ={"XDG_CONFIG_HOME": str(tmp_path)}, learn=learnt.update)

    assert [each.cells() for each in standings(engine, config)] == [
        ("mine", "openai", "ready", "providers.yaml"),
        ("groq", "groq", "ready", "key entered while the server ran"),
        ("other", "", "needs NO_KEY", "providers.yaml"),
    ]
    assert learnt == {"key-entered-before"}
