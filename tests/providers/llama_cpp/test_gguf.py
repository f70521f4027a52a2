"""Heads of model files: real ones, old ones, damaged ones, and those that somebody wrote to do harm."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llms.providers.llama_cpp.facts import Facts, read_facts
from llms.providers.llama_cpp.gguf import BadFile, Left, read_header
from tests.providers.llama_cpp.gguf_files import LLAMA, TOKENS, head, model, tensor, text, typed

DEMO = Path(__file__).parents[3] / "llms/models/demo.gguf"


def read(tmp_path: Path, content: bytes) -> Facts:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    return read_facts([path])


def test_the_demo_model_is_read() -> None:
    header = read_header(DEMO)
    assert (header.version, header.tensors, header.parameters, header.size) == (3, 38, 885_888, DEMO.stat().st_size)
    assert header.values["general.architecture"] == "llama"
    assert header.values[TOKENS] == Left(1024)
    assert header.values["tokenizer.ggml.add_bos_token"] is True


@pytest.mark.parametrize("version", [2, 3])
def test_values_of_every_type_are_read(tmp_path: Path, version: int) -> None:
    values = {
        "u8": struct.pack("<IB", 0, 200),
        "i8": struct.pack("<Ib", 1, -2),
        "u16": struct.pack("<IH", 2, 60_000),
        "i16": struct.pack("<Ih", 3, -3),
        "u32": struct.pack("<II", 4, 2**31),
        "i32": struct.pack("<Ii", 5, -4),
        "f32": struct.pack("<If", 6, 0.5),
        "yes": True,
        "text": "Grüße",
        "odd": struct.pack("<I", 8) + text(b"\xff!"),
        "u64": 2**63,
        "i64": -5,
        "f64": 0.25,
        "few": [1, 2, 3],
        "none": [],
        "many": [7] * 1025,
        "words": ["a", "", "c"],
        "long": "x" * 1025,
    }
    path = tmp_path / "m.gguf"
    path.write_bytes(head(values, version=version))
    found = read_header(path)
    assert found.version == version
    assert found.values == {
        "u8": 200,
        "i8": -2,
        "u16": 60_000,
        "i16": -3,
        "u32": 2**31,
        "i32": -4,
        "f32": 0.5,
        "yes": True,
        "text": "Grüße",
        "odd": "\ufffd!",
        "u64": 2**63,
        "i64": -5,
        "f64": 0.25,
        "few": (1, 2, 3),
        "none": (),
        "many": Left(1025),
        "words": Left(3),
        "long": Left(1025),
    }


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends in the middle"),
        (b"GG", "ends in the middle"),
        (b"<html>not found</html>", "no GGUF file"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(100), "big endian"),
        (model(version=1), "GGUF version 1, and only 2 and 3"),
        (model(version=4), "GGUF version 4"),
        (b"GGUF" + struct.pack("<I", 3), "ends in the middle"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1) + bytes(100), "claims to have 1,152,921,504,606,846,976 tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60) + bytes(100), "1,152,921,504,606,846,976 values"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**64 - 1) + bytes(100), "values"),
        (head({"k": struct.pack("<IQ", 8, 2**62)}) + bytes(100), "ends in the middle"),
        (head({"k": struct.pack("<IIQ", 9, 8, 2**60)}) + bytes(100), "claims to have 1,152,921,504,606,846,976 texts"),
        (head({"k": struct.pack("<IIQ", 9, 10, 2**61)}) + bytes(100), "ends in the middle"),
        (head({"k": struct.pack("<IIQ", 9, 9, 1) * 50}) + bytes(100), "unknown type 9"),
        (head({"k": struct.pack("<I", 99)}) + bytes(100), "unknown type 99"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**16) + bytes(2**17), "a name claims to have 65,536 bytes"),
        (head(LLAMA, [text("t") + struct.pack("<I", 2**31)]) + bytes(100), "2,147,483,648 dimensions"),
        (model({**LLAMA, "general.alignment": 0}), "alignment"),
        (model({**LLAMA, "general.alignment": "x"}), "alignment"),
        (model()[:-1], "cut off: "),
        (head(LLAMA, [tensor("t", [2**60, 2**60])]) + bytes(100), "cut off: "),
        (head(LLAMA, [tensor("t", [1], offset=2**63)]) + bytes(100), "cut off: "),
        (head({f"k{n}": "x" * 1000 for n in range(2000)}), "more metadata"),
        (head(LLAMA), "no weights, only a vocabulary"),
        (model({**LLAMA, "general.architecture": "clip"}), "no language model but of the kind 'clip'"),
    ],
)
def test_what_is_no_model_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(BadFile, match=reason):
        read(tmp_path, content)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    for name, reason in (("nowhere", "No such file"), ("", "Is a directory|no file"), ("pipe.gguf", "no file")):
        with pytest.raises(BadFile, match=reason):
            read_header(tmp_path / name)
    with pytest.raises(BadFile, match="null"):
        read_header(Path("a\0b"))


def test_a_large_vocabulary_is_walked_over_and_not_kept(tmp_path: Path) -> None:
    tokens = struct.pack("<IIQ", 9, 8, 200_000) + text("token") * 200_000
    scores = struct.pack("<IIQ", 9, 6, 200_000) + bytes(800_000)
    path = tmp_path / "m.gguf"
    path.write_bytes(model({**LLAMA, TOKENS: tokens, "scores": scores}))
    tracemalloc.start()
    facts = read_facts([path])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts.vocabulary == 200_000
    assert peak < 2**20


@pytest.mark.parametrize(
    "filler",
    [
        struct.pack("<IIQ", 9, 8, 2**17) + bytes(2**20),
        struct.pack("<IIQ", 9, 8, 2**22) + bytes(2**25),
        struct.pack("<IIQ", 9, 0, 2**25) + bytes(2**25),
        b"".join(text(f"k{n}") + typed("x" * 1000) for n in range(2**14)),
    ],
    ids=["empty texts", "too many texts", "numbers", "values"],
)
def test_a_file_made_to_cost_time_or_memory_costs_little(tmp_path: Path, filler: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2**14) + text("k") + filler)
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(BadFile):
        read_header(path)
    took = time.process_time() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22
    assert took < 10


def test_a_head_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 0, 2**29))
    os.truncate(path, 2**30)
    with pytest.raises(BadFile, match="more metadata"):
        read_header(path)


VALID = model(
    {**LLAMA, "llama.attention.sliding_window": 16, "llama.attention.sliding_window_pattern": [1, 0], "f": 1.5}
)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Take a whole file and change some bytes, cut it, or put something into it."""
    content = bytearray(VALID)
    numbers = st.sampled_from([0, 1, 8, 9, 255, 2**16, 2**31, 2**32 - 1, 2**60, 2**63, 2**64 - 1])
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(content)))
        match draw(st.integers(0, 3)):
            case 0:
                content[place : place + 8] = struct.pack("<Q", draw(numbers))
            case 1:
                content[place : place + 1] = draw(st.binary(max_size=4))
            case 2:
                del content[place : place + draw(st.integers(1, 64))]
            case _:
                content[place:place] = draw(st.binary(min_size=1, max_size=64))
    return bytes(content)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations())
def test_any_change_of_a_file_gives_facts_or_the_one_error(tmp_path: Path, content: bytes) -> None:
    try:
        facts = read(tmp_path, content)
    except BadFile as failure:
        reason = str(failure)
    else:
        assert len(facts.cells) == len(facts.windowed) <= 4096
        assert all(0 <= number < 2**70 for number in (*facts.cells, facts.width, facts.vocabulary, facts.parameters))
        return
    assert 10 < len(reason) < 300
    assert reason.isprintable()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(VALID) - 1))
def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(BadFile):
        read(tmp_path, VALID[:length])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"quantization": "Q4_K_M", "license": "mit", "name": "Small one", "context_length": 2048}),
        ({}, {"cells": (64, 64), "windowed": (False, False), "vocabulary": 3, "inner_width": 128, "parameters": 16}),
        ({}, {"pooling": "", "capabilities": ("chat",), "has_chat_template": True}),
        ({"general.file_type": 1024 + 7}, {"quantization": "Q8_0"}),
        ({"general.file_type": 999}, {"quantization": ""}),
        ({"general.name": "a\nb\0" + "c" * 900}, {"name": "a\ufffdb\ufffd" + "c" * 195 + "…"}),
        ({"general.name": 5, "general.license": [1]}, {"name": "", "license": ""}),
        ({"llama.pooling_type": 3}, {"pooling": "last", "capabilities": ("embeddings",)}),
        ({"llama.pooling_type": 4}, {"pooling": "rank", "capabilities": ()}),
        ({"llama.pooling_type": 0}, {"pooling": "none", "capabilities": ("chat",)}),
        ({"llama.block_count": 2**62}, {"cells": (), "windowed": ()}),
        ({"llama.block_count": -1}, {"cells": ()}),
        ({"llama.attention.head_count_kv": [4, 0]}, {"cells": (128, 0)}),
        ({"llama.attention.head_count_kv": [4]}, {"cells": (128, 128)}),
        ({"llama.attention.head_count_kv": 2, "llama.attention.key_length": 100}, {"cells": (232, 232)}),
        ({"llama.attention.head_count": 0}, {"cells": (256, 256)}),
        ({"llama.attention.sliding_window": 512}, {"windowed": (False, False)}),
        (
            {"llama.attention.sliding_window": 512, "llama.attention.sliding_window_pattern": 2},
            {"windowed": (True, False)},
        ),
    ],
)
def test_the_facts_of_a_file(tmp_path: Path, values: dict[str, Any], expected: dict[str, Any]) -> None:
    facts = read(tmp_path, model({**LLAMA, **values}))
    assert {name: getattr(facts, name) for name in expected} == expected


def test_an_encoder_makes_embeddings(tmp_path: Path) -> None:
    values = {key.replace("llama.", "bert."): value for key, value in LLAMA.items()}
    facts = read(tmp_path, model({**values, "general.architecture": "bert"}))
    assert (facts.is_encoder, facts.is_embedding, facts.capabilities) == (True, True, ("embeddings",))


def test_the_parts_of_a_model_count_together(tmp_path: Path) -> None:
    parts = [tmp_path / f"{number}.gguf" for number in range(3)]
    for part, values in zip(parts, (LLAMA, {"split.no": 1}, {"split.no": 2}), strict=True):
        part.write_bytes(model(values, numbers=100))
    facts = read_facts(parts)
    assert (facts.parameters, facts.size) == (300, sum(part.stat().st_size for part in parts))
    assert facts.name == "Small one"
    parts[1].unlink()
    with pytest.raises(BadFile, match=r"its part 1\.gguf: it cannot be read: No such file"):
        read_facts(parts)
