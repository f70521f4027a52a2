"""What the embedded demo model is trained on: questions as people type them, each with its answer."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from demo_text import FOLLOW_UPS, TOPICS, UNKNOWN_ANSWER, Topic
from demo_unknown import PLAIN, filled, made_up

_FOLLOWING = frozenset(question for topic in FOLLOW_UPS for question in topic.questions)
LONGEST_EARLIER = 200  # characters; the chat template leaves out an earlier question that is longer
LONGEST_FOLLOW_UP = 32  # characters; after a longer question it looks at no earlier one

OPENERS = (
    "please ", "hi, ", "hello! ", "hey, ", "ok, ", "so ", "well, ", "sorry, ", "and ", "quick question: ", "hi. ",
    "i have a question: ", "tell me, ", "good morning. ", "excuse me, ", "now ", "um, ", "dear demo, ",
)  # fmt: skip
CLOSERS = (
    "?",
    "?",
    "?",
    ".",
    "!",
    "??",
    " ?",
    "!!",
    "...",
    " please",
    ", please",
    " please?",
    " thanks",
    ", thank you",
    " now",
    " :)",
)


@dataclass(frozen=True, slots=True)
class Example:
    """A question as it is typed, what was asked before it ("" for nothing) and the answer."""

    question: str
    answer: str
    earlier: str = ""


def draw_example(rng: random.Random, drill: Sequence[Example]) -> Example:
    """Draw one example: a known topic, a question for which there is no answer, a follow-up, or one to drill."""
    if drill and rng.random() < 0.25:
        return rng.choice(drill)
    choice = rng.random()
    if choice < 0.5:
        topic = rng.choices(TOPICS, [len(t.questions) ** 0.6 for t in TOPICS])[0]
        question = as_typed(filled(rng.choice(topic.questions), rng), rng)
        return Example(question, topic.answer, draw_earlier(question, rng))
    if choice < 0.9:
        question = made_up(rng)
        earlier = "" if question in _FOLLOWING else draw_earlier(question, rng)
        return Example(as_typed(question, rng), UNKNOWN_ANSWER, earlier)
    return draw_follow_up(rng)


def draw_earlier(question: str, rng: random.Random) -> str:
    """Draw what was asked before a question; "" for nothing, or where the chat template would leave it out."""
    if rng.random() < 0.6 or len(question) >= LONGEST_FOLLOW_UP:
        return ""
    typed = as_typed(made_up(rng) if rng.random() < 0.2 else filled(rng.choice(rng.choice(TOPICS).questions), rng), rng)
    return typed if len(typed) < LONGEST_EARLIER else ""


def draw_follow_up(rng: random.Random) -> Example:
    """Draw a follow-up, one time in three after a topic to which it does not belong."""
    follow_up = rng.choice(FOLLOW_UPS)
    question = rng.choice(follow_up.questions)
    topic = topic_named(follow_up.after) if rng.random() < 0.67 else rng.choice(TOPICS)
    earlier = as_typed(filled(rng.choice(topic.questions), rng), rng)
    typed = as_typed(question, rng)
    if len(typed) >= LONGEST_FOLLOW_UP:
        typed = question
    return Example(typed, answer_after(topic, question), earlier)


def topic_named(name: str) -> Topic:
    """Return the topic of this name."""
    return next(topic for topic in TOPICS if topic.name == name)


def answer_after(topic: Topic, question: str) -> str:
    """Return the answer to a follow-up asked after a topic."""
    answers = (f.answer for f in FOLLOW_UPS if f.after == topic.name and question in f.questions)
    return next(answers, UNKNOWN_ANSWER)


def as_typed(question: str, rng: random.Random) -> str:
    """Dress a question the way people type it: politeness, marks, a slip of the keyboard."""
    if rng.random() < 0.25:
        question = rng.choice(OPENERS) + question
    if rng.random() < 0.15:
        question = mistyped(question, rng)
    if rng.random() < 0.1:
        question = question.replace("'", "")
    if rng.random() < 0.55 and not question.endswith(("?", ".", "!")):
        question += rng.choice(CLOSERS)
    return question.lower()


def mistyped(text: str, rng: random.Random) -> str:
    """Drop, double or swap one letter of a text that is long enough to survive it."""
    if len(text) < 8:
        return text
    at = rng.randrange(1, len(text) - 1)
    return rng.choice(
        (
            text[:at] + text[at + 1 :],
            text[:at] + text[at] + text[at:],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        )
    )


def known_examples() -> list[Example]:
    """Return every trained question (plain, with its mark, after another question) and every follow-up."""
    rng = random.Random(0)
    asked = [(filled(question, rng), topic.answer) for topic in TOPICS for question in topic.questions]
    known = [Example(question + mark, answer) for question, answer in asked for mark in ("", "?")]
    known += [Example(q, answer, rng.choice(asked)[0]) for q, answer in asked if len(q) < LONGEST_FOLLOW_UP]
    known += [Example(q, f.answer, topic_named(f.after).questions[0]) for f in FOLLOW_UPS for q in f.questions]
    return [*known, *(Example(question, UNKNOWN_ANSWER) for question in PLAIN)]
