"""How servers of local models stream, and the corners of the event format itself."""

from __future__ import annotations

from typing import Final

from llms.testing.transcript import Transcript, events, head, one, usage

_VLLM = head("chatcmpl-5e", "Qwen/Qwen4-8B")
_OLLAMA = head("chatcmpl-314", "qwen3:4b", {"system_fingerprint": "fp_ollama"})
_LLAMA = head("chatcmpl-Lx", "gemma-3-4b-it", {"system_fingerprint": "b9001-0a1b"})
_STUDIO = head("chatcmpl-um3", "gemma-3-4b", {"system_fingerprint": "gemma-3-4b"})
_TGI = head("", "tgi", {"system_fingerprint": "3.3.4-native"})
_PLAIN = head("chatcmpl-sse", "corner")

VLLM: Final = Transcript(
    "vllm",
    "vLLM's OpenAI-compatible server: running usage, text on the finish chunk, a stop_reason of its own",
    events(
        {**one(_VLLM, {"role": "assistant", "content": ""}, {"logprobs": None}), "usage": usage(16, 0)},
        {**one(_VLLM, {"content": "tar"}, {"logprobs": None, "token_ids": None}), "usage": usage(16, 1)},
        {
            **one(
                _VLLM,
                {"content": "get"},
                {"logprobs": None, "finish_reason": "length", "stop_reason": None, "token_ids": None},
            ),
            "usage": usage(16, 2),
        },
        {**_VLLM, "choices": [], "usage": usage(16, 2)},
    ),
    text="target",
    finish="length",
    usage=(16, 2),
)

VLLM_REASONING: Final = Transcript(
    "vllm_reasoning",
    "vLLM's reasoning outputs: chunks with both texts null, reasoning under either name",
    events(
        one(_VLLM, {"role": "assistant", "content": "", "reasoning_content": None}, {"logprobs": None}),
        one(_VLLM, {"content": None, "reasoning_content": None}, {"logprobs": None}),
        one(_VLLM, {"reasoning_content": "Count"}, {"logprobs": None}),
        one(_VLLM, {"reasoning_content": " them"}, {"logprobs": None}),
        one(_VLLM, {"content": "3"}, {"logprobs": None}),
        one(_VLLM, {"content": ""}, {"logprobs": None, "finish_reason": "stop", "stop_reason": None}),
    ),
    text="3",
    reasoning="Count them",
)

OLLAMA: Final = Transcript(
    "ollama",
    "Ollama's OpenAI compatibility page: the role on every chunk, thinking as `reasoning`",
    events(
        one(_OLLAMA, {"role": "assistant", "content": "", "reasoning": "Easy"}),
        one(_OLLAMA, {"role": "assistant", "content": "Moin"}),
        one(_OLLAMA, {"role": "assistant", "content": " moin"}),
        one(_OLLAMA, {"role": "assistant", "content": ""}, {"finish_reason": "stop"}),
        {**_OLLAMA, "choices": [], "usage": usage(26, 9)},
    ),
    text="Moin moin",
    reasoning="Easy",
    usage=(26, 9),
)

OLLAMA_TOOLS: Final = Transcript(
    "ollama_tools",
    "Reports of Ollama's tool calls: each whole in one chunk, every index 0, finish reason stop",
    events(
        one(
            _OLLAMA,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "call_1a",
                        "index": 0,
                        "type": "function",
                        "function": {"name": "add", "arguments": '{"a":1,"b":2}'},
                    }
                ],
            },
        ),
        one(
            _OLLAMA,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "call_2b", "index": 0, "type": "function", "function": {"name": "now", "arguments": "{}"}}
                ],
            },
        ),
        one(_OLLAMA, {"role": "assistant", "content": ""}, {"finish_reason": "stop"}),
    ),
    tool_calls=(("add", '{"a":1,"b":2}'), ("now", "{}")),
    finish="tool_calls",
)

LLAMA_SERVER: Final = Transcript(
    "llama_server",
    "llama.cpp's server README: null content first, progress of the prompt, timings and usage on the finish chunk",
    events(
        one(_LLAMA, {"role": "assistant", "content": None}),
        {**one(_LLAMA, {}), "prompt_progress": {"total": 40, "cache": 0, "processed": 32, "time_ms": 12}},
        one(_LLAMA, {"content": "Tap"}),
        one(_LLAMA, {"content": "ir\n"}),
        {
            **one(_LLAMA, {}, {"finish_reason": "stop"}),
            "usage": usage(40, 3),
            "timings": {"prompt_n": 40, "predicted_n": 3, "predicted_per_second": 61.5},
        },
    ),
    text="Tapir\n",
    usage=(40, 3),
)

LM_STUDIO: Final = Transcript(
    "lm_studio",
    "LM Studio's OpenAI-compatible endpoints: the model as fingerprint, no usage; a call without arguments",
    events(
        one(_STUDIO, {"role": "assistant", "content": "\n"}, {"logprobs": None}),
        one(
            _STUDIO,
            {
                "tool_calls": [
                    {"index": 0, "id": "318", "type": "function", "function": {"name": "ping", "arguments": ""}}
                ]
            },
            {"logprobs": None},
        ),
        one(_STUDIO, {}, {"logprobs": None, "finish_reason": "tool_calls"}),
    ),
    text="\n",
    tool_calls=(("ping", "{}"),),
    finish="tool_calls",
)

TGI: Final = Transcript(
    "tgi",
    "Hugging Face's text-generation-inference messages API: an empty id, the role on every chunk, eos reasons",
    events(
        one(_TGI, {"role": "assistant", "content": "Deep"}, {"logprobs": None}),
        one(_TGI, {"role": "assistant", "content": " blue"}, {"logprobs": None}),
        one(_TGI, {"role": "assistant", "content": ""}, {"logprobs": None, "finish_reason": "eos_token"}),
        {**_TGI, "choices": [], "usage": usage(8, 3)},
    ),
    text="Deep blue",
    usage=(8, 3),
)

HALVES: Final = Transcript(
    "halves",
    "Servers that escape JSON and cut between tokens: the two halves of a character in two events",
    b'data: {"id":"h1","object":"chat.completion.chunk","created":1760000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":"up \\ud83d"},"finish_reason":null}]}\n\n'
    b'data: {"id":"h1","object":"chat.completion.chunk","created":1760000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"\\ude80!"},"finish_reason":null}]}\n\n'
    b'data: {"id":"h1","object":"chat.completion.chunk","created":1760000000,"model":"m",'
    b'"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    text="up 🚀!",
)

CORNERS: Final = Transcript(
    "corners",
    "The HTML standard's event stream format: BOM, CR LF, comments, ids, retry, no space, data over two lines, no end",
    b"\xef\xbb\xbf: hello\r\n\r\nretry: 3000\r\n\r\n"
    + events(one(_PLAIN, {"role": "assistant", "content": ""}), done=False).replace(b"\n", b"\r\n")
    + b"id: 7\r\nevent: message\r\n"
    + events(one(_PLAIN, {"content": "cor"}), done=False).replace(b"\n", b"\r\n").replace(b"data: ", b"data:")
    + events(one(_PLAIN, {"content": "ner"}), done=False).replace(b'"choices"', b'\ndata: "choices"')
    + events(one(_PLAIN, {}, {"finish_reason": "stop"}), done=False).rstrip(b"\n"),
    text="corner",
)

LOCAL: Final = (VLLM, VLLM_REASONING, OLLAMA, OLLAMA_TOOLS, LLAMA_SERVER, LM_STUDIO, TGI, HALVES, CORNERS)
