"""Small streams for tests of the protocol, and what a client sees of them."""

from llms.protocol import json
from llms.protocol.chat import Chunk
from llms.protocol.conform import Conform
from llms.testing.plain_client import calls_of

HEAD = {"id": "c1", "object": "chat.completion.chunk", "created": 1_760_000_000, "model": "m"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ROLE = {"role": "assistant", "content": ""}


def conform(*, include_usage=False):
    return Conform(model="asked", fallback_id="ours", created=1_700_000_000, include_usage=include_usage)


def one(delta, finish=None, *, index=0, **top):
    return {**HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **top}


def call(index=0, **fields):
    return {"index": index, **fields}


def told(*fragments, **more):
    return one({"tool_calls": list(fragments), **more})


def chunk_of(*objects):
    return Chunk(list(objects), [json.dumps(item) for item in objects])


def run(*objects, include_usage=False, of=None):
    """Return what a client sees of a stream that brought one object a read."""
    rules = of or conform(include_usage=include_usage)
    seen = [rules.apply(chunk_of(item)) for item in objects]
    seen.append(rules.last())
    return [json.loads(payload) for chunk in seen if chunk is not None for payload in chunk.payloads()]


def named(objects):
    return [(held["name"], held["arguments"]) for held in calls_of(objects)]
