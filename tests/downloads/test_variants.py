"""The right one of a repository's files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.downloads.remote_file import RemoteFile
from llms.downloads.variants import choose, variants
from llms.protocol.errors import InvalidRequest, LlmsError, NotFound


def files(*paths: str) -> list[RemoteFile]:
    """Return files whose sizes rise in the order given."""
    return [RemoteFile(f"https://h/{path}", path, path, size) for size, path in enumerate(paths, 10**9)]


def chosen(paths: list[str], quant: str = "") -> str:
    return choose(files(*paths), quant=quant, repo="o/r").name


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        (["m-Q2_K.gguf", "m-Q4_0.gguf", "m-Q4_K_M.gguf", "m-Q8_0.gguf"], "m-Q4_K_M"),
        (["m.Q8_0.gguf", "m.q4_k_m.gguf"], "m.q4_k_m"),
        (["m-Q3_K.gguf", "m-Q4_0.gguf", "m-Q4_K_S.gguf", "m-Q8_0.gguf"], "m-Q4_0"),
        (["m-Q3_K.gguf", "m-Q5_K_M.gguf", "m-Q8_0.gguf", "m-F16.gguf"], "m-Q5_K_M"),
        (["m-Q3_K.gguf", "m-Q8_0.gguf", "m-F16.gguf"], "m-Q8_0"),
        (["m-Q6_K.gguf", "m-F16.gguf"], "m-Q6_K"),
        (["m-IQ4_XS.gguf", "m-UD-Q4_K_XL.gguf", "m-BF16.gguf"], "m-UD-Q4_K_XL"),
        (["README.md", "only.gguf", "mmproj-only-f16.gguf", "imatrix.gguf"], "only"),
        (["Q4_K_M/m-Q4_K_M-00001-of-00002.gguf", "Q4_K_M/m-Q4_K_M-00002-of-00002.gguf", "m-Q8_0.gguf"], "m-Q4_K_M"),
        (["Q4_K_M/model.gguf", "Q8_0/model.gguf"], "model"),
    ],
)
def test_the_usual_choice(paths: list[str], name: str) -> None:
    assert chosen(paths) == name


@pytest.mark.parametrize("quant", ["Q8_0", "q8_0", "m-Q8_0", "m-Q8_0.gguf", "M-q8_0"])
def test_a_quantization_or_a_file_may_be_named_in_any_letters(quant: str) -> None:
    assert chosen(["m-Q4_K_M.gguf", "m-Q8_0.gguf"], quant) == "m-Q8_0"


def test_the_plain_one_is_meant_where_a_dynamic_one_is_too() -> None:
    paths = ["m-UD-Q4_K_M.gguf", "m-Q4_K_M.gguf"]

    assert chosen(paths, "Q4_K_M") == "m-Q4_K_M"
    assert chosen(paths, "UD-Q4_K_M") == "m-UD-Q4_K_M"
    assert chosen(paths[:1], "Q4_K_M") == "m-UD-Q4_K_M"


def test_all_parts_belong_together_in_their_order() -> None:
    paths = [f"m-Q4_K_M-0000{number}-of-00003.gguf" for number in (3, 1, 2)]
    found = choose(files(*paths), quant="", repo="o/r")

    assert [file.path for file in found.files] == sorted(paths)
    assert found.size == 3 * 10**9 + 3


def test_a_part_that_is_missing_is_said() -> None:
    with pytest.raises(NotFound, match="2 of the 3 files"):
        chosen(["m-00001-of-00003.gguf", "m-00003-of-00003.gguf"])


def test_an_unknown_quantization_lists_what_there_is() -> None:
    with pytest.raises(NotFound, match=r"no Q5_K_M; there are: Q4_0 \(1.0 GB\), Q8_0 \(1.0 GB\)"):
        chosen(["m-Q8_0.gguf", "m-Q4_0.gguf"][::-1], "Q5_K_M")


def test_two_models_in_one_repository_are_told_apart_by_name() -> None:
    paths = ["a-Q4_K_M.gguf", "b-Q4_K_M.gguf"]

    with pytest.raises(InvalidRequest, match=r"a-Q4_K_M, b-Q4_K_M\. Name one: hf:o/r:a-Q4_K_M"):
        chosen(paths)
    assert chosen(paths, "b-Q4_K_M") == "b-Q4_K_M"


def test_a_repository_without_models_says_so() -> None:
    with pytest.raises(NotFound, match="no GGUF file"):
        chosen(["model.safetensors", "mmproj-f16.gguf"])


@given(st.lists(st.text(max_size=30).map(lambda text: f"{text}.gguf"), unique=True, max_size=8), st.text(max_size=8))
def test_any_listing_gives_a_model_or_an_error(paths: list[str], quant: str) -> None:
    found = variants(files(*paths))
    assert [variant.size for variant in found] == sorted(variant.size for variant in found)
    try:
        assert choose(files(*paths), quant=quant, repo="o/r") in found
    except LlmsError:
        pass
