"""How hosted services stream."""

from __future__ import annotations

from typing import Final

from llms.testing.transcript import Transcript, events, head, one, usage

_OPENAI = head(
    "chatcmpl-Aq1", "gpt-5.5-2026-04", {"service_tier": "default", "system_fingerprint": "fp_1f", "usage": None}
)
_AZURE = head("chatcmpl-Bz2", "gpt-5.5", {"system_fingerprint": "fp_2a", "usage": None})
_BLANK = {"id": "", "object": "", "created": 0, "model": "", "usage": None}
_SAFE = {"hate": {"filtered": False, "severity": "safe"}}
_ROUTER = head("gen-177-xyz", "deepseek/deepseek-v4", {"provider": "Somewhere"})
_DEEPSEEK = head("e1f2-33", "deepseek-reasoner", {"system_fingerprint": "fp_ds"})
_MISTRAL = head("9c0d", "magistral-medium-2509")
_GEMINI = head("a7Xq", "gemini-3-flash")
_GROQ = head("chatcmpl-gq", "llama-4-scout", {"system_fingerprint": "fp_gq"})
_XAI = head("2c9e-4d", "grok-5", {"system_fingerprint": "fp_x"})
_SONAR = head("77aa", "sonar-pro", {"citations": ["https://example.org/a"]})


def _called(index: int, upstream_id: str, name: str) -> dict[str, object]:
    return {"index": index, "id": upstream_id, "type": "function", "function": {"name": name, "arguments": ""}}


def _arguments(index: int, piece: str) -> dict[str, object]:
    return {"index": index, "function": {"arguments": piece}}


OPENAI: Final = Transcript(
    "openai",
    "OpenAI's API reference, the chat completion chunk object; obfuscation as its streaming guide describes it",
    events(
        one(
            {**_OPENAI, "obfuscation": "x9"}, {"role": "assistant", "content": "", "refusal": None}, {"logprobs": None}
        ),
        one({**_OPENAI, "obfuscation": "x9Kq"}, {"content": "Grüße"}, {"logprobs": None}),
        one({**_OPENAI, "obfuscation": "pp"}, {"content": " aus Köln 🎈"}, {"logprobs": None}),
        one({**_OPENAI, "obfuscation": "a"}, {}, {"logprobs": None, "finish_reason": "stop"}),
        {**_OPENAI, "choices": [], "usage": usage(11, 6, {"completion_tokens_details": {"reasoning_tokens": 0}})},
    ),
    text="Grüße aus Köln 🎈",
    usage=(11, 6),
)

OPENAI_TOOLS: Final = Transcript(
    "openai_tools",
    "OpenAI's function calling guide, streaming: parallel calls, the first fragment with id and name",
    events(
        one(_OPENAI, {"role": "assistant", "content": None, "tool_calls": [_called(0, "call_a", "get_time")]}),
        one(_OPENAI, {"tool_calls": [_arguments(0, '{"zone":')]}),
        one(_OPENAI, {"tool_calls": [_arguments(0, '"UTC"}')]}),
        one(_OPENAI, {"tool_calls": [_called(1, "call_b", "get_city")]}),
        one(_OPENAI, {"tool_calls": [_arguments(1, '{"near":"Genève"}')]}),
        one(_OPENAI, {}, {"finish_reason": "tool_calls"}),
    ),
    tool_calls=(("get_time", '{"zone":"UTC"}'), ("get_city", '{"near":"Genève"}')),
    finish="tool_calls",
)

AZURE: Final = Transcript(
    "azure",
    "Azure OpenAI's content filter documentation: a first chunk without choices, late annotations",
    events(
        {**_BLANK, "choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": _SAFE}]},
        one(_AZURE, {"role": "assistant", "content": "", "refusal": None}, {"content_filter_results": {}}),
        one(_AZURE, {"content": "Calm"}, {"content_filter_results": _SAFE}),
        one(_AZURE, {"content": " seas"}, {"content_filter_results": _SAFE}),
        one(_AZURE, {}, {"finish_reason": "stop", "content_filter_results": {}}),
        {**_BLANK, "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 9}}]},
        {**_AZURE, "choices": [], "usage": usage(9, 2)},
    ),
    text="Calm seas",
    usage=(9, 2),
)

OPENROUTER: Final = Transcript(
    "openrouter",
    "OpenRouter's streaming guide: comments while it waits, its own finish reason, usage with cost",
    b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"
    + events(
        one(_ROUTER, {"role": "assistant", "content": "", "reasoning": "Hm"}, {"native_finish_reason": None}),
        one(
            _ROUTER,
            {
                "role": "assistant",
                "content": "",
                "reasoning": ", yes",
                "reasoning_details": [{"type": "reasoning.text", "text": ", yes", "index": 0}],
            },
        ),
        one(_ROUTER, {"role": "assistant", "content": "Two"}, {"native_finish_reason": None}),
        one(
            _ROUTER, {"role": "assistant", "content": ""}, {"finish_reason": "stop", "native_finish_reason": "end_turn"}
        ),
        {**one(_ROUTER, {"role": "assistant", "content": ""}), "usage": usage(14, 8, {"cost": 0.0000042})},
    ),
    text="Two",
    reasoning="Hm, yes",
    usage=(14, 8),
)

OPENROUTER_ERROR: Final = Transcript(
    "openrouter_error",
    "OpenRouter's guide to errors during streaming: status 200, an event with `error` and the finish reason `error`",
    b": OPENROUTER PROCESSING\n\n"
    + events(
        one(_ROUTER, {"role": "assistant", "content": "So"}),
        {
            **one(_ROUTER, {"content": ""}, {"finish_reason": "error"}),
            "error": {"code": 502, "message": "The provider went away", "metadata": {"provider_name": "Somewhere"}},
        },
    ),
    text="So",
    finish=None,
)

DEEPSEEK: Final = Transcript(
    "deepseek",
    "DeepSeek's guides to reasoning and to rate limits: reasoning_content beside null content, keep-alive comments",
    b": keep-alive\n\n"
    + events(
        one(_DEEPSEEK, {"role": "assistant", "content": None, "reasoning_content": ""}, {"logprobs": None}),
        one(_DEEPSEEK, {"content": None, "reasoning_content": "9.8"}, {"logprobs": None}),
        one(_DEEPSEEK, {"content": None, "reasoning_content": " wins"}, {"logprobs": None}),
        one(_DEEPSEEK, {"content": "9.8", "reasoning_content": None}, {"logprobs": None}),
        {
            **one(_DEEPSEEK, {"content": "", "reasoning_content": None}, {"finish_reason": "stop", "logprobs": None}),
            "usage": usage(
                20, 12, {"prompt_cache_hit_tokens": 16, "completion_tokens_details": {"reasoning_tokens": 9}}
            ),
        },
    ),
    text="9.8",
    reasoning="9.8 wins",
    usage=(20, 12),
)

MISTRAL: Final = Transcript(
    "mistral",
    "Mistral's reasoning documentation: content as a list of thinking and text parts; usage on the last chunk, unasked",
    events(
        one(_MISTRAL, {"role": "assistant", "content": ""}),
        one(_MISTRAL, {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let"}]}]}),
        one(_MISTRAL, {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": " me"}]}]}),
        one(_MISTRAL, {"content": [{"type": "text", "text": "Voil"}]}),
        one(_MISTRAL, {"content": "à"}),
        {**one(_MISTRAL, {"content": ""}, {"finish_reason": "stop"}), "usage": usage(5, 7)},
    ),
    text="Voilà",
    reasoning="Let me",
    usage=(5, 7),
)

GEMINI_TOOLS: Final = Transcript(
    "gemini_tools",
    "Reports of Google's OpenAI-compatible endpoint: whole calls without an index, signatures, finish reason stop",
    events(
        {
            **_GEMINI,
            "choices": [
                {
                    "index": 0,
                    "delta": {
                        "role": "assistant",
                        "tool_calls": [
                            {
                                "id": "function-call-1",
                                "type": "function",
                                "function": {"name": "look", "arguments": '{"at":"Köln"}'},
                                "extra_content": {"google": {"thought_signature": "c2ln"}},
                            },
                            {
                                "id": "function-call-2",
                                "type": "function",
                                "function": {"name": "look", "arguments": '{"at":"Ulm"}'},
                            },
                        ],
                    },
                }
            ],
        },
        {**one(_GEMINI, {"role": "assistant"}, {"finish_reason": "stop"}), "usage": usage(30, 18)},
    ),
    tool_calls=(("look", '{"at":"Köln"}'), ("look", '{"at":"Ulm"}')),
    finish="tool_calls",
    usage=(30, 18),
)

GROQ: Final = Transcript(
    "groq",
    "Groq's API reference: the request id first and usage last, both inside x_groq",
    events(
        {**one(_GROQ, {"role": "assistant", "content": ""}, {"logprobs": None}), "x_groq": {"id": "req_01"}},
        one(_GROQ, {"content": "Quick"}, {"logprobs": None}),
        {
            **one(_GROQ, {}, {"finish_reason": "stop", "logprobs": None}),
            "x_groq": {"id": "req_01", "usage": usage(13, 1, {"queue_time": 0.01, "total_time": 0.02})},
        },
    ),
    text="Quick",
    usage=(13, 1),
)

XAI: Final = Transcript(
    "xai",
    "xAI's streaming guide: role and running usage on every chunk, no finish_reason key before the end",
    events(
        {**_XAI, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Ah"}}], "usage": usage(41, 1)},
        {**_XAI, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ","}}], "usage": usage(41, 2)},
        {**_XAI, "choices": [{"index": 0, "delta": {"role": "assistant", "content": " 42"}}], "usage": usage(41, 3)},
        {**one(_XAI, {"role": "assistant"}, {"finish_reason": "stop"}), "usage": usage(41, 3)},
    ),
    text="Ah, 42",
    usage=(41, 3),
)

PERPLEXITY: Final = Transcript(
    "perplexity",
    "Perplexity's API reference: the whole message so far beside each delta, citations, no [DONE]",
    events(
        {**one(_SONAR, {"role": "assistant", "content": "Yes"}, {"message": {"content": "Yes"}}), "usage": usage(6, 1)},
        {
            **one(_SONAR, {"role": "assistant", "content": "[1]"}, {"message": {"content": "Yes[1]"}}),
            "usage": usage(6, 2),
        },
        {
            **one(_SONAR, {"content": ""}, {"message": {"content": "Yes[1]"}, "finish_reason": "stop"}),
            "usage": usage(6, 2, {"search_context_size": "low"}),
        },
        done=False,
    ),
    text="Yes[1]",
    usage=(6, 2),
)

HOSTED: Final = (
    OPENAI,
    OPENAI_TOOLS,
    AZURE,
    OPENROUTER,
    OPENROUTER_ERROR,
    DEEPSEEK,
    MISTRAL,
    GEMINI_TOOLS,
    GROQ,
    XAI,
    PERPLEXITY,
)
