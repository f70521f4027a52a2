"""The network of the embedded demo model, its tokens, and the GGUF file in which both are kept."""

import random
import tempfile
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import torch
from demo_examples import LONGEST_EARLIER, LONGEST_FOLLOW_UP, Example
from demo_text import FOLLOW_UPS, TOPICS, UNKNOWN_ANSWER
from demo_unknown import PLAIN, made_up
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY = 1024
CONTEXT = 1024
WIDTH, LAYERS, HEADS, HIDDEN = 128, 4, 4, 320
HEAD = WIDTH // HEADS
ROPE_BASE, EPSILON = 10000.0, 1e-5

EARLIER, USER, BOT, END = "<|earlier|>", "<|user|>", "<|bot|>", "<|end|>"
CHAT_TEMPLATE = (
    "{%- set ns = namespace(last='', earlier='') -%}"
    "{%- for message in messages -%}{%- if message['role'] == 'user' -%}"
    "{%- set ns.earlier = ns.last -%}{%- set ns.last = message['content'] | lower | trim -%}"
    "{%- endif -%}{%- endfor -%}"
    "{{- bos_token -}}"
    "{%- if ns.earlier and ns.earlier | length < {LONGEST_EARLIER} and ns.last | length < {LONGEST_FOLLOW_UP} -%}"
    "<|earlier|>{{- ns.earlier -}}"
    "{%- endif -%}"
    "<|user|>{{- ns.last -}}"
    "{%- if add_generation_prompt -%}<|bot|>{%- endif -%}"
)
CHAT_TEMPLATE = CHAT_TEMPLATE.replace("{LONGEST_EARLIER}", str(LONGEST_EARLIER))
CHAT_TEMPLATE = CHAT_TEMPLATE.replace("{LONGEST_FOLLOW_UP}", str(LONGEST_FOLLOW_UP))

Tokens = sentencepiece.SentencePieceProcessor


def train_tokenizer(rng: random.Random) -> Tokens:
    """Train a byte-pair vocabulary on the answers, the questions and some made-up questions."""
    lines = [line for topic in (*TOPICS, *FOLLOW_UPS) for line in topic.answer.split("\n")] * 20
    lines += [question for topic in (*TOPICS, *FOLLOW_UPS) for question in topic.questions] * 4
    lines += [*UNKNOWN_ANSWER.split("\n") * 20, *PLAIN, *(made_up(rng) for _ in range(3000))]
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text")
        text.write_text("\n".join(lines))
        sentencepiece.SentencePieceTrainer.train(
            input=str(text),
            model_prefix=f"{folder}/tokens",
            vocab_size=VOCABULARY,
            model_type="bpe",
            byte_fallback=True,
            character_coverage=0.9995,
            control_symbols=[EARLIER, USER, BOT, END],
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=False,
            num_threads=1,
            minloglevel=2,
        )
        return sentencepiece.SentencePieceProcessor(f"{folder}/tokens.model")


def encode(example: Example, tokens: Tokens) -> tuple[list[int], int]:
    """Return the tokens of an example as the chat template renders it, and where its answer begins."""
    special = {name: tokens.piece_to_id(name) for name in (EARLIER, USER, BOT, END)}
    earlier = [special[EARLIER], *tokens.encode(example.earlier)] if example.earlier else []
    prompt = [tokens.bos_id(), *earlier, special[USER], *tokens.encode(example.question), special[BOT]]
    return [*prompt, *tokens.encode(example.answer), special[END]], len(prompt)


class Block(nn.Module):
    """One layer of a llama: attention with rotary positions, then a gated feed-forward net."""

    def __init__(self) -> None:
        super().__init__()
        self.attn_norm = nn.RMSNorm(WIDTH, EPSILON)
        self.attn_q, self.attn_k, self.attn_v, self.attn_output = (
            nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4)
        )
        self.ffn_norm = nn.RMSNorm(WIDTH, EPSILON)
        self.ffn_gate, self.ffn_up = (nn.Linear(WIDTH, HIDDEN, bias=False) for _ in range(2))
        self.ffn_down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        h = self.attn_norm(x)
        query, key, value = (heads(layer(h)) for layer in (self.attn_q, self.attn_k, self.attn_v))
        mixed = functional.scaled_dot_product_attention(
            rotate(query, angles), rotate(key, angles), value, is_causal=True
        )
        x = x + self.attn_output(mixed.transpose(1, 2).flatten(2))
        h = self.ffn_norm(x)
        return x + self.ffn_down(functional.silu(self.ffn_gate(h)) * self.ffn_up(h))


class Llama(nn.Module):
    """The smallest useful llama; input and output share the embedding."""

    angles: Tensor

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.token_embd = nn.Embedding(vocabulary, WIDTH)
        self.blk = nn.ModuleList(Block() for _ in range(LAYERS))
        self.output_norm = nn.RMSNorm(WIDTH, EPSILON)
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02 if parameter.shape[0] == vocabulary else WIDTH**-0.5 * 0.7)
        steps = ROPE_BASE ** -(torch.arange(0, HEAD, 2) / HEAD)
        self.register_buffer("angles", torch.outer(torch.arange(CONTEXT), steps), persistent=False)

    def forward(self, tokens: Tensor, wanted: Tensor) -> Tensor:
        """Return the scores of the next token, only for the positions that are `wanted`."""
        x = self.token_embd(tokens)
        for block in self.blk:
            x = block(x, self.angles[: tokens.shape[1]])
        return functional.linear(self.output_norm(x[wanted]), self.token_embd.weight)


def heads(x: Tensor) -> Tensor:
    """Split the width into heads: (batch, time, width) to (batch, head, time, head width)."""
    return x.unflatten(-1, (HEADS, HEAD)).transpose(1, 2)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Apply rotary positions to neighbouring pairs, the order that the llama architecture of GGUF expects."""
    even, odd = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def round_weights(model: Llama) -> None:
    """Round the matrices to what Q8_0 can hold, so that the model is what its file will be."""
    for parameter in model.parameters():
        if parameter.dim() == 2:
            rounded = gguf.dequantize(packed(parameter), gguf.GGMLQuantizationType.Q8_0)
            parameter.data = torch.from_numpy(rounded.astype(np.float32))


def packed(parameter: Tensor) -> np.ndarray:
    """Return a matrix in Q8_0."""
    return gguf.quantize(parameter.detach().numpy(), gguf.GGMLQuantizationType.Q8_0)


def write_gguf(model: Llama, tokens: Tokens, path: Path) -> None:
    """Write the model as GGUF: matrices in Q8_0, norms in F32."""
    writer = gguf.GGUFWriter(path, "llama")
    write_shape(writer, tokens.vocab_size())
    write_tokens(writer, tokens)
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            writer.add_tensor(name, packed(parameter), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(name, parameter.detach().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_shape(writer: gguf.GGUFWriter, vocabulary: int) -> None:
    """Write what the file is, the sizes of the model, and that it says the likeliest unless told otherwise."""
    writer.add_name("llms demo")
    writer.add_description("A tiny demo model that answers questions about llms.")
    writer.add_license("mit")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(HEAD)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_sampling_temp(0.0)


def write_tokens(writer: gguf.GGUFWriter, tokens: Tokens) -> None:
    """Write the vocabulary and the chat template; the end of a turn is the end of the text, so that answers stop."""
    kinds = gguf.TokenType
    ids = range(tokens.vocab_size())
    writer.add_tokenizer_model("llama")
    writer.add_token_list([tokens.id_to_piece(i).encode() for i in ids])
    writer.add_token_scores([tokens.get_score(i) for i in ids])
    writer.add_token_types(
        [
            kinds.UNKNOWN if tokens.is_unknown(i)
            else kinds.CONTROL if tokens.is_control(i)
            else kinds.BYTE if tokens.is_byte(i)
            else kinds.NORMAL
            for i in ids
        ]
    )  # fmt: skip
    writer.add_bos_token_id(tokens.bos_id())
    writer.add_eos_token_id(tokens.piece_to_id(END))
    writer.add_unk_token_id(tokens.unk_id())
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHAT_TEMPLATE)
