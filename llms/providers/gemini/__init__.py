"""Google's Gemini API in its own words, for all that its OpenAI-compatible endpoint leaves out."""

from __future__ import annotations

from llms.providers.gemini.provider import Gemini, Options

__all__ = ["Gemini", "Options"]
