"""One process at a time has a model, and a crash leaves nothing locked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from llms.downloads.claim import claimed
from llms.protocol.errors import Conflict

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys
from pathlib import Path
from llms.downloads.claim import claimed
with claimed(Path(sys.argv[1]), "m") as claim:
    claim.note("m.gguf", "where", '"etag"')
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_named_and_its_death_lets_go(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    with holder.stdout, holder.stdin:
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(Conflict, match=f"m is being pulled or removed by process {holder.pid}"),
            claimed(tmp_path, "m"),
        ):
            pass
        with claimed(tmp_path, "another"):
            pass
        holder.kill()
        holder.wait()

    with claimed(tmp_path, "m") as claim:
        assert claim.etag("m.gguf", "where") == '"etag"'


def test_a_claim_excludes_within_a_process_too(tmp_path: Path) -> None:
    with claimed(tmp_path, "m"), pytest.raises(Conflict), claimed(tmp_path, "m"):
        pass
    with claimed(tmp_path, "m"):
        pass


def test_notes_are_kept_until_they_are_forgotten(tmp_path: Path) -> None:
    with claimed(tmp_path, "m") as claim:
        claim.note("a", "x", '"1"')
        claim.note("b", "y", "")
    with claimed(tmp_path, "m") as claim:
        assert (claim.etag("a", "x"), claim.etag("b", "y")) == ('"1"', "")
        assert (claim.etag("a", "other"), claim.etag("c", "x")) == (None, None)
        claim.forget("a")
        claim.forget("c")
    with claimed(tmp_path, "m") as claim:
        assert claim.etag("a", "x") is None
        claim.forget("b")

    assert not list(tmp_path.iterdir())


def test_nothing_is_left_when_nothing_is_noted(tmp_path: Path) -> None:
    with pytest.raises(KeyError), claimed(tmp_path, "m"):
        raise KeyError

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"files": 3}', b'{"files": [{"file": "a"}]}', b"\xff" * 100])
def test_what_a_crash_left_half_written_counts_as_nothing(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "m.json").write_bytes(text)
    with claimed(tmp_path, "m") as claim:
        assert claim.is_empty
        assert claim.etag("a", "x") is None


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("words")
    (tmp_path / "m.json").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match=r"m\.json"), claimed(tmp_path, "m"):
        pass

    assert (tmp_path / "precious").read_text() == "words"
