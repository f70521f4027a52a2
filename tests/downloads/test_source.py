"""Sources as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.downloads.source import PACKAGED, HubSource, PackagedSource, UrlSource, parse_source, shown
from llms.protocol.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("hf:o/r", HubSource("o/r")),
        ("o/r", HubSource("o/r")),
        ("hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:q4_k_m", HubSource("Qwen/Qwen2.5-0.5B-Instruct-GGUF", "q4_k_m")),
        ("o/r:file-Q8_0.gguf", HubSource("o/r", "file-Q8_0.gguf")),
        ("https://host/a.gguf", UrlSource("https://host/a.gguf")),
        ("http://127.0.0.1:9/x/a.gguf?sig=1", UrlSource("http://127.0.0.1:9/x/a.gguf?sig=1")),
        ("smollm2", PACKAGED["smollm2"]),
    ],
)
def test_each_form_is_understood(text: str, source: object) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qwen",
        "hf:",
        "hf:o",
        "o/r/s",
        "../x",
        "o/..",
        "o/r:",
        "o/r:a/b",
        "/etc/passwd",
        "o r/x",
        "hf:o/r\n",
        "o/a..b",
    ],
)
def test_what_is_no_source_names_the_forms(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"hf:owner/repo\[:quant\].*smollm2") as refused:
        parse_source(text)
    assert refused.value.param == "source"


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "ftp://h/a.gguf",
        "http://",
        "http://[",
        "https://h:0/a",
        "https://h:99999/a",
        "x://h",
        "https://h/a b.gguf",
        "https://h/\x00",
        "https://h/" + "a" * 5000,
    ],
)
def test_only_addresses_of_the_web_are_asked(text: str) -> None:
    with pytest.raises(InvalidRequest, match="is no http:// or https:// address"):
        parse_source(text)


@given(st.text(max_size=60))
def test_anything_is_a_source_or_refused(text: str) -> None:
    with suppress(InvalidRequest):
        assert isinstance(parse_source(text), HubSource | UrlSource | PackagedSource)


def test_an_address_names_its_model() -> None:
    assert UrlSource("https://h/x/Tiny%2BModel.gguf?download=true").name() == "Tiny+Model"
    for url in ("https://h/", "https://h/download?id=3", "https://h/a.zip"):
        with pytest.raises(InvalidRequest, match="--name"):
            UrlSource(url).name()
    assert UrlSource("https://h/..%2F..%2Fa.gguf").name() == "a"
    for url in ("https://h/%2e%2e%5ca.gguf", "https://h/.a.gguf", "https://h/%00a.gguf"):
        with pytest.raises(InvalidRequest, match="cannot be the name"):
            UrlSource(url).name()


def test_one_part_of_a_split_model_is_refused_with_the_way() -> None:
    with pytest.raises(InvalidRequest, match="hf:owner/repo"):
        UrlSource("https://h/a-00001-of-00002.gguf").name()


def test_secrets_of_an_address_are_not_shown() -> None:
    assert shown("https://me:pass@host:8/a/b.gguf?token=t#f") == "https://host:8/a/b.gguf"
