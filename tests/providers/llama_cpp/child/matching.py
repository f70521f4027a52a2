"""Ask llama.cpp itself whether a grammar allows a text."""

from __future__ import annotations

import ctypes
import functools
import json
from pathlib import Path
from typing import Any

import pytest

from llms.providers.llama_cpp.child.grammars.grammar import Grammar
from llms.providers.llama_cpp.child.grammars.json_schema import SchemaRules
from llms.providers.llama_cpp.child.llama_python.native_log import silence
from llms.providers.llama_cpp.child.llama_python.vocabulary import Vocabulary

DEMO = Path(__file__).parents[4] / "llms/models/demo.gguf"


def bindings() -> Any:
    """Return llama-cpp-python; skip where it is not installed."""
    native = pytest.importorskip("llama_cpp", reason="needs llama-cpp-python: pip install 'llms[llama-cpp]'")
    silence()
    return native


@functools.cache
def vocabulary() -> Vocabulary:
    """Return the demo's tokens, which can spell any bytes."""
    native = bindings()
    native.llama_backend_init()
    parameters = native.llama_model_default_params()
    parameters.vocab_only = True
    return Vocabulary(native, native.llama_model_load_from_file(str(DEMO).encode(), parameters), shown=())


def readable(grammar: str) -> bool:
    """Tell whether llama.cpp can read a grammar."""
    rules = bindings().llama_sampler_init_grammar(vocabulary().pointer, grammar.encode(), b"root")
    if rules:
        bindings().llama_sampler_free(rules)
    return bool(rules)


def allows(grammar: str, text: str) -> bool:
    """Tell whether a grammar allows a text, all of it and nothing less."""
    native, known = bindings(), vocabulary()
    rules = native.llama_sampler_init_grammar(known.pointer, grammar.encode(), b"root")
    assert rules, f"llama.cpp cannot read the grammar:\n{grammar}"
    try:
        for token in known.tokens(text):
            if not _may_come(native, rules, token):
                return False
            native.llama_sampler_accept(rules, token)
        return _may_come(native, rules, native.llama_vocab_eos(known.pointer))
    finally:
        native.llama_sampler_free(rules)


def grammar_of(schema: object, *, strict: bool = False) -> str:
    """Return the grammar of a JSON schema."""
    grammar = Grammar()
    return grammar.text(SchemaRules(grammar, schema if isinstance(schema, dict) else {}, strict=strict).rule(schema))


def allows_json(schema: object, value: Any) -> bool:
    """Tell whether the grammar of a schema allows a value, written the usual way."""
    return allows(grammar_of(schema), json.dumps(value, ensure_ascii=False))


def _may_come(native: Any, rules: Any, token: int) -> bool:
    one = (native.llama_token_data * 1)((token, 0.0, 0.0))
    native.llama_sampler_apply(rules, ctypes.byref(native.llama_token_data_array(one, 1, -1, False)))
    return bool(one[0].logit > float("-inf"))
