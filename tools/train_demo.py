"""Train the embedded demo model from nothing and write it as one GGUF file.

    pip install torch==2.13.0 sentencepiece gguf numpy
    python tools/train_demo.py llms/models/demo.gguf --seconds 330

A llama of about a million parameters learns `demo_text.py` by heart and learns from `demo_unknown.py` when to say
that it does not know. Seeds are fixed, but the budget is processor time, so a faster machine makes more steps. The
weights are checked as they are written (Q8_0): exit status 1 if one trained question does not get exactly its
answer.
"""

import argparse
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from demo_examples import Example, draw_example, known_examples
from demo_model import Llama, Tokens, encode, round_weights, train_tokenizer, write_gguf
from demo_text import UNKNOWN_ANSWER
from demo_unknown import HELD_OUT
from torch import Tensor, nn
from torch.nn import functional

BATCH_TOKENS = 2000
LEARNING_RATE = 4e-3
LATE_ROUNDS = 10
LONG_PROMPT = 80  # tokens
OPENING = 10  # tokens of an answer in which the choice between answers is made


def main() -> int:
    """Train, write, check; return the exit status."""
    parser = argparse.ArgumentParser(description="Train the embedded demo model.")
    parser.add_argument("output", type=Path, help="the GGUF file to write")
    parser.add_argument("--seconds", type=float, default=330.0, help="processor time to train (default 330)")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = random.Random(0)
    tokens = train_tokenizer(rng)
    model = Llama(tokens.vocab_size())
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {tokens.vocab_size()} tokens")
    train(model, tokens, rng, options.seconds)
    write_gguf(model, tokens, options.output)
    print(f"{options.output}: {options.output.stat().st_size:,} bytes")
    return check(model, tokens)


def train(model: Llama, tokens: Tokens, rng: random.Random, seconds: float) -> None:
    """Train until the time is over, then a few rounds more while the weights, rounded, get something wrong.

    From 40 % on, what the model is still unsure of is drilled.
    """
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.05)
    start = time.process_time()
    done, reviewed, late, drill = 0.0, 0.4, 0, list[Example]()
    while late < LATE_ROUNDS:
        for inputs, targets in batches(tokens, rng, drill):
            done = min(1.0, (time.process_time() - start) / seconds)
            loss = learn(model, optimizer, inputs, targets, rate=rate(done))
        if done == 1:
            late += 1
            round_weights(model)
            drill = [example for example in known_examples() if not recites(model, tokens, example)]
            if not drill:
                return
        elif done >= reviewed:
            reviewed += 0.05
            drill = unsure_openings(model, tokens)
        print(f"{done:4.0%}  loss {loss:.4f}  to drill {len(drill)}", flush=True)


def rate(done: float) -> float:
    """Return the learning rate: it rises for 2 % of the time and then falls along a cosine, but not to nothing."""
    return LEARNING_RATE * min(1, done / 0.02 + 0.01) * max(0.02, 0.5 + 0.5 * math.cos(math.pi * done))


def learn(model: Llama, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor, *, rate: float) -> float:
    """Make one step and return the loss before it."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    wanted = targets >= 0
    loss = functional.cross_entropy(model(inputs, wanted), targets[wanted])
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def batches(tokens: Tokens, rng: random.Random, drill: Sequence[Example]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield some batches of examples of like length.

    Three of four short examples keep only the opening of their answer: there the model chooses, the rest is
    recitation, which long prompts make harder.
    """
    pool = []
    for _ in range(1000):
        sequence, begin = encode(draw_example(rng, drill), tokens)
        whole = begin > LONG_PROMPT or rng.random() < 0.25
        pool.append((sequence if whole else sequence[: begin + OPENING], begin))
    yield from (tensors(batch) for batch in grouped(pool, rng))


def grouped(pool: list[tuple[list[int], int]], rng: random.Random) -> list[list[tuple[list[int], int]]]:
    """Group sequences of like length into batches of at most `BATCH_TOKENS`, in random order."""
    groups: list[list[tuple[list[int], int]]] = [[]]
    for item in sorted(pool, key=lambda item: len(item[0])):
        if len(item[0]) * (len(groups[-1]) + 1) > BATCH_TOKENS:
            groups.append([])
        groups[-1].append(item)
    rng.shuffle(groups)
    return [group for group in groups if group]


def tensors(batch: list[tuple[list[int], int]]) -> tuple[Tensor, Tensor]:
    """Return inputs and targets; only the answer counts, and -100 marks what does not."""
    length = max(len(sequence) for sequence, _ in batch) - 1
    inputs = torch.zeros(len(batch), length, dtype=torch.long)
    targets = torch.full((len(batch), length), -100)
    for row, (sequence, begin) in enumerate(batch):
        inputs[row, : len(sequence) - 1] = torch.tensor(sequence[:-1])
        targets[row, begin - 1 : len(sequence) - 1] = torch.tensor(sequence[begin:])
    return inputs, targets


def check(model: Llama, tokens: Tokens) -> int:
    """Report what the written weights get wrong; return 1 if that is a trained question, else 0."""
    known = known_examples()
    wrong = [example for example in known if not recites(model, tokens, example)]
    for example in wrong[:20]:
        print(f"wrong: {example.earlier!r} {example.question!r}")
    pretended = [q for q in HELD_OUT if not recites(model, tokens, Example(q.lower(), UNKNOWN_ANSWER))]
    print(f"{len(wrong)} of {len(known)} trained questions wrong")
    print(f"{len(pretended)} of {len(HELD_OUT)} unseen questions not admitted as unknown: {pretended}")
    return 1 if wrong else 0


@torch.no_grad()
def unsure_openings(model: Llama, tokens: Tokens) -> list[Example]:
    """Return the trained questions whose answer does not surely begin right; quicker than reciting them whole."""
    unsure = []
    for example in known_examples():
        sequence, begin = encode(example, tokens)
        opening = sequence[: begin + OPENING]
        wanted = torch.arange(len(opening) - 1)[None] >= begin - 1
        chances = model(torch.tensor([opening[:-1]]), wanted).softmax(-1)
        if chances.gather(1, torch.tensor(opening[begin:])[:, None]).min() < 0.6:
            unsure.append(example)
    return unsure


@torch.no_grad()
def recites(model: Llama, tokens: Tokens, example: Example) -> bool:
    """Tell whether the likeliest token is the right one all along, which is what temperature 0 would write."""
    sequence, begin = encode(example, tokens)
    inputs = torch.tensor([sequence[:-1]])
    wanted = torch.arange(inputs.shape[1])[None] >= begin - 1
    return model(inputs, wanted).argmax(-1).tolist() == sequence[begin:]


if __name__ == "__main__":
    raise SystemExit(main())
