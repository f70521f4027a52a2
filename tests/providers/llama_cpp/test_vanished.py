"""A model in memory whose file is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from llms.providers import discover
from tests.providers.llama_cpp.local_chats import row

pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(not discover.libraries(), reason="needs a library for local models: pip install 'llms[local]'"),
]
DEMO = Path(__file__).parents[3] / "llms/models/demo.gguf"


async def test_it_can_be_unloaded(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(DEMO.read_bytes())
    provider = row(folder=str(tmp_path))
    await provider.load("m")
    file.unlink()
    assert await provider.models() == []
    await provider.unload("m")
    assert provider.loaded() == []
    await provider.close()
