"""What the scripted upstream answers to a case, in the dialect that it is asked in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from llms.testing import messages, responses
from llms.testing.answers import Answer, answer, body, chunk, completion, error, flood, usage_of
from llms.testing.seen import Seen
from llms.testing.steps import Step, close, cut, event, half_chunk, head, pause, raw, stall
from tests.soak.case import Case, Fault

PACE: Final = 0.04
"""Seconds between two pieces."""
LATE: Final = 1.0
STEADY: Final = "steady-model"
"""Asked for after a target has failed: never fails."""
_BAD: Final = (b"data: {broken\n\n", b"data: \xff\xfe\n\n", b"junk without a colon\n\n", b"data: []\n\n")
FLOOD: Final = 96 * 2**20
"""Bytes of an answer whose client leaves with its socket full: more than any system keeps in its own buffers."""
_BETWEEN: Final = 10
"""Good pieces between two bad events."""


class Parts(NamedTuple):
    """A stream: what comes before its pieces, the pieces, and what comes after them."""

    begin: Sequence[Step]
    pieces: Sequence[Step]
    end: Sequence[Step]


def scripted(case: Case, seen: Seen) -> Answer:
    """Return the answer to one request of a case."""
    fault: Fault = "none" if seen.json["model"] == STEADY else case.kind.fault
    if fault in _REFUSALS:
        return _REFUSALS[fault](case)
    if fault in _AT_ONCE:
        return _AT_ONCE[fault]
    if not seen.json.get("stream"):
        return _whole(case, seen.path, broken=fault == "close midway")
    if case.kind.bulky and case.kind.client == "leave":
        return flood(FLOOD)
    return _stream(_parts(case, seen), fault, paced=not case.kind.bulky)


def _refusal(status: int) -> Callable[[Case], Answer]:
    return lambda case: error(status, message=f"injected for {case.tag}")


_REFUSALS: Final[Mapping[Fault, Callable[[Case], Answer]]] = {
    "429": _refusal(429),
    "500": _refusal(500),
    "503": _refusal(503),
}
_AT_ONCE: Final[Mapping[Fault, Answer]] = {
    "cut at once": answer(cut()),
    "cut after the head": answer(head(), pause(PACE), cut()),
    "stall at once": answer(stall()),
    "stall after the head": answer(head(), stall()),
}


def _whole(case: Case, path: str, *, broken: bool) -> Answer:
    text = case.text()
    said = messages.message([{"type": "text", "text": text}]) if "messages" in path else completion({"content": text})
    if not broken:
        return body(said)
    cut_short = head(200, {"Content-Type": "application/json", "Content-Length": "100000"})
    return answer(cut_short, raw(str(said).encode()[:500]), close(), framing="length")


def _parts(case: Case, seen: Seen) -> Parts:
    texts = [case.piece(at) for at in range(case.kind.pieces)]
    if seen.path.endswith("/messages"):
        return _messages(texts)
    return _responses(texts) if seen.path.endswith("/responses") else _chat(texts, usage=seen.asked_usage)


def _chat(texts: Sequence[str], *, usage: bool) -> Parts:
    told = [event({**chunk({}), "choices": [], "usage": usage_of()})] if usage else []
    return Parts(
        [event(chunk({"role": "assistant", "content": ""}))],
        [event(chunk({"content": text})) for text in texts],
        [event(chunk({}, "stop")), *told, event("[DONE]")],
    )


def _messages(texts: Sequence[str]) -> Parts:
    begin, end = messages.block(0, {"type": "text", "text": ""}).split(b"\n\n")[:2]
    deltas = [messages.event("content_block_delta", index=0, delta=messages.delta("text", text)) for text in texts]
    return Parts(
        [raw(messages.start()), raw(begin + b"\n\n")],
        [raw(delta) for delta in deltas],
        [raw(end + b"\n\n"), raw(messages.message_event()), raw(messages.STOP)],
    )


def _responses(texts: Sequence[str]) -> Parts:
    told = responses.events("".join(texts))
    place = {"item_id": responses.ITEM, "output_index": 0, "content_index": 0}
    kind = "response.output_text.delta"
    deltas = [responses.event(kind, at, **place, delta=text) for at, text in enumerate(texts, 4)]
    return Parts([raw(one) for one in told[:4]], [raw(one) for one in deltas], [raw(one) for one in told[6:]])


def _stream(parts: Parts, fault: Fault, *, paced: bool) -> Answer:
    middle = [step for piece in parts.pieces for step in ((pause(PACE), piece) if paced else (piece,))]
    if fault == "garbage":
        middle = [step for at, one in enumerate(middle) for step in (_odd(at), one)]
    if fault in ("none", "garbage", "late"):
        wait = [pause(LATE)] if fault == "late" else []
        return answer(*wait, *parts.begin, *middle, *parts.end)
    return answer(*parts.begin, *middle[: len(middle) // 2], *_BREAKS[fault])


def _odd(at: int) -> Step:
    return pause(0) if at % (2 * _BETWEEN) else raw(_BAD[at // (2 * _BETWEEN) % len(_BAD)])


_BREAKS: Final[Mapping[Fault, Sequence[Step]]] = {
    "cut midway": (pause(PACE), cut()),
    "close midway": (close(),),
    "half a chunk": (half_chunk(),),
    "stall midway": (stall(),),
    "error midway": (event({"error": {"message": "injected", "type": "server_error", "code": "injected_code"}}),),
}
