"""Whatever a client sends is understood or refused in words, and never more than that."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llms.protocol.chat import Chunk
from llms.protocol.dialects.responses.asked import read
from llms.protocol.dialects.responses.frame import Frame
from llms.protocol.dialects.responses.telling import ResponseTelling
from llms.protocol.dialects.responses.translation import translate
from llms.protocol.errors import InvalidRequest
from llms.testing.answers import chunk
from tests.protocol.dialects.responses.asking import ID, Told
from tests.protocol.dialects.responses.order import checked

WORDS = st.sampled_from(
    (
        *("message", "function_call", "function_call_output", "custom_tool_call", "reasoning", "item_reference"),
        *("user", "assistant", "system", "input_text", "output_text", "refusal", "input_image", "input_file"),
        *(
            "function",
            "custom",
            "allowed_tools",
            "auto",
            "json_schema",
            "grammar",
            "c1",
            "llms1.e30=",
            "llms1.",
            "\ud800",
        ),
    )
)
KEYS = st.sampled_from(
    (
        *("type", "role", "content", "text", "id", "call_id", "name", "arguments", "input", "output", "image_url"),
        *("file_data", "refusal", "summary", "encrypted_content", "parameters", "format", "schema", "tools", "mode"),
        *("effort", "verbosity", "extra_content", "detail", "filename"),
    )
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-1, 2), st.floats(-1, 1), WORDS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=5)),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    (
        *("input", "instructions", "tools", "tool_choice", "text", "reasoning", "include", "store", "background"),
        *("previous_response_id", "conversation", "metadata", "top_logprobs", "parallel_tool_calls", "x_new"),
    )
)


@settings(max_examples=300)
@given(st.dictionaries(FIELDS, VALUES, max_size=5), VALUES)
def test_any_body(fields: dict[str, Any], given_input: Any) -> None:
    raw = json.dumps({"model": "m", "input": given_input, **fields}).encode()
    with contextlib.suppress(InvalidRequest):
        asked = read(raw, response_id=ID)
        translate(asked)
        tell = ResponseTelling(Frame(asked, created=1, stored=True), now=lambda: 2.0)
        wire = tell.chunk(Chunk.of(chunk({"reasoning_content": "a"}), chunk({"content": "b"})))
        checked(wire + tell.end(Chunk.of(chunk({}, "stop")), Told()))
