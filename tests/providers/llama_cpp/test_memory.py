"""What a model will need and what a made-up machine has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llms.providers.llama_cpp.facts import Facts, read_facts
from llms.providers.llama_cpp.load import Load
from llms.providers.llama_cpp.memory import Need, default_budget, need, refusal
from tests.providers.llama_cpp.gguf_files import write

GIB = 2**30
WANTED = Load(path="m.gguf", alias="m", n_ctx=1024, slots=1, n_threads=1, n_batch=64)


@pytest.fixture
def facts(tmp_path: Path) -> Facts:
    """Two layers with 2 of 4 heads of 16 numbers: 2 x 2 x (16 + 16) numbers of 2 bytes for each token."""
    return read_facts([write(tmp_path / "m.gguf", numbers=1000)])


def test_the_context_grows_with_its_length_and_the_slots(facts: Facts) -> None:
    per_token = 2 * 2 * (16 + 16) * 2
    assert need(facts, WANTED).context == 1024 * per_token
    assert need(facts, replace(WANTED, n_ctx=1025)).context == 1280 * per_token
    assert need(facts, replace(WANTED, slots=3)).context == 3 * 1024 * per_token
    assert need(facts, WANTED).files == facts.size
    assert need(facts, WANTED).total == facts.size + 1024 * per_token + need(facts, WANTED).work


def test_a_layer_with_a_window_keeps_no_more_than_that(facts: Facts) -> None:
    narrow = replace(facts, window=192, windowed=(True, False))
    assert need(narrow, WANTED).context == (256 + 1024) * 2 * (16 + 16) * 2
    assert need(narrow, replace(WANTED, n_ctx=256)).context == need(facts, replace(WANTED, n_ctx=256)).context


def test_an_encoder_keeps_no_context_and_makes_no_scores(facts: Facts) -> None:
    large = replace(facts, vocabulary=250_000)
    encoder = replace(large, is_encoder=True)
    assert need(encoder, WANTED).context == 0
    assert need(large, WANTED).work - need(encoder, WANTED).work == 64 * 250_000 * 4


def test_embeddings_of_a_model_that_could_chat_cost_the_scores_of_every_token(facts: Facts) -> None:
    large = replace(facts, vocabulary=250_000)
    wanted = replace(WANTED, n_batch=1024)
    more = need(large, replace(wanted, embedding=True)).work - need(large, wanted).work
    assert more == (1024 - 64) * 250_000 * 4


def test_the_refusal_names_both_figures_and_the_ways_out() -> None:
    words = refusal(Need(files=5 * GIB, context=4 * GIB, work=GIB // 10), 6 * GIB, WANTED)
    assert words == (
        "it needs about 9.1 GiB of memory (5.0 GiB for its file, 4.0 GiB for 1 x 1024 tokens of context), but local "
        "models may take 6.0 GiB: lower its n_ctx or slots, take a smaller quantization, or raise `memory` in the row"
    )


def say(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_the_default_is_most_of_the_machine(tmp_path: Path) -> None:
    assert default_budget(root=tmp_path) is None
    say(tmp_path / "proc/meminfo", "MemTotal:       10485760 kB\nMemFree:         1000 kB")
    assert default_budget(root=tmp_path) == 8 * GIB


@pytest.mark.parametrize(
    ("limit", "budget"), [(str(5 * GIB), 4 * GIB), ("max", 8 * GIB), (str(2**63), 8 * GIB), ("rubbish", 8 * GIB)]
)
@pytest.mark.parametrize(
    ("groups", "file"),
    [
        ("", "memory.max"),
        ("0::/a.slice/b", "memory.max"),
        ("0::/a.slice/b", "a.slice/memory.max"),
        ("0::/a.slice/b", "a.slice/b/memory.high"),
        ("4:memory:/docker/1\n0::/", "memory/memory.limit_in_bytes"),
        ("4:cpu,memory:/docker/1", "memory/docker/1/memory.limit_in_bytes"),
    ],
)
def test_a_container_has_what_its_groups_grant(tmp_path: Path, groups: str, file: str, limit: str, budget: int) -> None:
    say(tmp_path / "proc/meminfo", "MemTotal: 10485760 kB")
    say(tmp_path / "proc/self/cgroup", groups)
    say(tmp_path / "sys/fs/cgroup" / file, limit)
    assert default_budget(root=tmp_path) == budget


def test_a_group_of_another_process_does_not_count(tmp_path: Path) -> None:
    say(tmp_path / "proc/meminfo", "MemTotal: 10485760 kB")
    say(tmp_path / "proc/self/cgroup", "0::/mine")
    say(tmp_path / "sys/fs/cgroup/other/memory.max", "1000")
    assert default_budget(root=tmp_path) == 8 * GIB


def test_this_machine_has_some() -> None:
    assert (default_budget() or GIB) > 2**26
