"""Log probabilities of tokens: Gemini's `logprobsResult` as OpenAI's `logprobs`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

from llms.protocol.dialects.gemini.shapes import dicts


def logprobs_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens that were chosen, each with those that might have been."""
    chosen, top = dicts(told.get("chosenCandidates")), dicts(told.get("topCandidates"))
    return {
        "content": [
            {**_token(each), "top_logprobs": [_token(other) for other in dicts((others or {}).get("candidates"))]}
            for each, others in zip_longest(chosen, top)
            if each is not None
        ],
        "refusal": None,
    }


def _token(told: Mapping[str, Any]) -> dict[str, Any]:
    token = str(told.get("token", ""))
    return {"token": token, "logprob": told.get("logProbability", 0.0), "bytes": list(token.encode("utf-8", "replace"))}
