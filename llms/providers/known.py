"""Well-known providers: a row of facts each, no code. Types of providers.yaml, and what zero configuration finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from llms.protocol.chat import StreamUsage
from llms.protocol.passthrough import Area


@dataclass(frozen=True, slots=True)
class Known:
    """One endpoint: it speaks OpenAI's chat completions, or has a provider of its own."""

    name: str
    base_url: str
    key_variables: tuple[str, ...] = ()
    """Environment variables that hold its key, the first set one counts; none: no key is needed."""
    url_variables: tuple[str, ...] = ()
    """Environment variables that move its address."""
    stream_usage: StreamUsage | None = "ask"
    """None for a provider of its own."""
    headers: Mapping[str, str] = field(default_factory=dict)
    dialects: tuple[str, ...] = ()
    """What it speaks besides chat completions."""
    passes: tuple[Area, ...] | None = None
    """What it has besides chats and embeddings; None where that is not known."""
    port: int | None = None
    """A local server's usual port: looked for in the background."""
    hint: str = ""
    """How to get it, for the table that `llms serve` prints."""

    def options(self, environ: Mapping[str, str]) -> dict[str, object]:
        """Return the options of its row: address and key from the environment where they are set."""
        key = next((environ[name] for name in self.key_variables if environ.get(name)), None)
        url = next((environ[name] for name in self.url_variables if environ.get(name)), self.base_url)
        return {
            "base_url": _with_path_of(self.base_url, url),
            **({"stream_usage": self.stream_usage} if self.stream_usage else {}),
            **({"api_key": key} if key else {}),
            **({"headers": dict(self.headers)} if self.headers else {}),
            **({"dialects": self.dialects} if self.dialects else {}),
            **({"passes": self.passes} if self.passes is not None else {}),
        }


def _with_path_of(usual: str, url: str) -> str:
    """Give an address that is a host alone the path of the usual one: SDKs differ in who appends /v1.

    What is no address stays as it is: the provider's own check says what is wrong with it.
    """
    try:
        given = urlsplit(url)
    except ValueError:
        return url
    return url.rstrip("/") + urlsplit(usual).path if given.path in ("", "/") else url


def _hosted(
    name: str,
    base_url: str,
    prefix: str,
    *,
    stream_usage: StreamUsage | None = "ask",
    also: str | None = None,
    dialects: tuple[str, ...] = (),
    passes: tuple[Area, ...] | None = None,
) -> Known:
    return Known(
        name,
        base_url,
        (f"{prefix}_API_KEY", *([also] if also else [])),
        (f"{prefix}_BASE_URL", f"{prefix}_API_BASE"),
        stream_usage,
        dialects=dialects,
        passes=passes,
        hint=f"export {prefix}_API_KEY=…",
    )


KNOWN: Final[Mapping[str, Known]] = {
    row.name: row
    for row in (
        _hosted(
            "openai",
            "https://api.openai.com/v1",
            "OPENAI",
            dialects=("responses", "completions"),
            passes=("audio", "images", "moderations", "files"),
        ),
        _hosted("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC", stream_usage=None),
        _hosted(
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta",
            "GEMINI",
            stream_usage=None,
            also="GOOGLE_API_KEY",
        ),
        _hosted("groq", "https://api.groq.com/openai/v1", "GROQ", passes=("audio", "files")),
        _hosted(
            "mistral",
            "https://api.mistral.ai/v1",
            "MISTRAL",
            stream_usage="native",
            passes=("audio", "moderations", "files"),
        ),
        _hosted("deepseek", "https://api.deepseek.com/v1", "DEEPSEEK", passes=()),
        _hosted("xai", "https://api.x.ai/v1", "XAI", passes=("images",)),
        _hosted("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER"),
        _hosted("together", "https://api.together.xyz/v1", "TOGETHER", passes=("audio", "images", "rerank", "files")),
        _hosted("fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS"),
        _hosted("perplexity", "https://api.perplexity.ai", "PERPLEXITY", stream_usage="native", passes=()),
        _hosted("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS", passes=()),
        _hosted("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT"),
        _hosted("nebius", "https://api.studio.nebius.com/v1", "NEBIUS"),
        _hosted("nscale", "https://inference.api.nscale.com/v1", "NSCALE"),
        _hosted("huggingface", "https://router.huggingface.co/v1", "HF", also="HF_TOKEN"),
        Known(
            "airefinery",
            "https://api.airefinery.accenture.com/v1",
            ("AIREFINERY_API_KEY", "AIR_API_KEY"),
            ("AIREFINERY_BASE_URL", "AIR_BASE_URL"),
            headers={"sdk_version": "1.33.2"},
            passes=("audio", "images", "moderations"),
            hint="export AIREFINERY_API_KEY=…",
        ),
        Known(
            "ollama",
            "http://127.0.0.1:11434/v1",
            url_variables=("OLLAMA_BASE_URL",),
            dialects=("messages",),
            passes=(),
            port=11434,
        ),
        Known("lmstudio", "http://127.0.0.1:1234/v1", dialects=("messages",), passes=(), port=1234),
        Known("llama-server", "http://127.0.0.1:8080/v1", dialects=("messages",), passes=("rerank",), port=8080),
        Known("vllm", "http://127.0.0.1:8000/v1", passes=("audio", "rerank"), port=8000),
    )
}


def hosted(environ: Mapping[str, str]) -> list[Known]:
    """Return the hosted providers whose key is in the environment."""
    return [row for row in KNOWN.values() if any(environ.get(name) for name in row.key_variables)]


def local() -> list[Known]:
    """Return the local servers that may answer on their usual port."""
    return [row for row in KNOWN.values() if row.port is not None]
