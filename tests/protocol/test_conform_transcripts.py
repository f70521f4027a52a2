"""Every recorded shape of a real upstream reads as it should."""

import json

import pytest

from llms.protocol.fold import Fold
from llms.protocol.stream import ChunkReader
from llms.testing.plain_client import check_stream, reasoning_of, text_of
from llms.testing.transcripts import TRANSCRIPTS
from tests.protocol.streams import conform, named


def read(transcript, *, size=10**9):
    reader = ChunkReader(provider="test", max_event=2**20)
    pieces = [transcript.raw[i : i + size] for i in range(0, len(transcript.raw), size)]
    chunks = [reader.feed(piece) for piece in pieces]
    return [chunk for chunk in [*chunks, reader.close()] if chunk is not None], reader.error


class TestTranscripts:
    @pytest.mark.parametrize("include_usage", [False, True])
    @pytest.mark.parametrize("size", [10**9, 160, 1])
    @pytest.mark.parametrize("name", TRANSCRIPTS)
    def test_a_real_shape_reads_as_it_should(self, name, size, include_usage):
        transcript = TRANSCRIPTS[name]
        rules = conform(include_usage=include_usage)
        chunks, error = read(transcript, size=size)
        seen = [rules.apply(chunk) for chunk in chunks] + [rules.last()]
        objects = [json.loads(payload) for chunk in seen if chunk is not None for payload in chunk.payloads()]

        check_stream(objects, include_usage=include_usage)
        assert text_of(objects) == transcript.text
        assert reasoning_of(objects) == transcript.reasoning
        assert named(objects) == list(transcript.tool_calls)
        assert rules.finish == transcript.finish
        assert rules.complete is (transcript.finish is not None)
        assert (error is not None) is (transcript.finish is None)
        used = rules.usage and (rules.usage["prompt_tokens"], rules.usage["completion_tokens"])
        assert used == transcript.usage
        if include_usage and transcript.usage:
            assert (objects[-1]["choices"], objects[-1]["usage"]) == ([], rules.usage)

    @pytest.mark.parametrize("name", TRANSCRIPTS)
    def test_folding_gives_what_the_shape_says(self, name):
        transcript = TRANSCRIPTS[name]
        rules, fold = conform(), Fold()
        for chunk in read(transcript)[0]:
            if (seen := rules.apply(chunk)) is not None:
                fold.add(seen.objects)

        (choice,) = fold.completion()["choices"]

        assert (choice["message"]["content"] or "", choice["finish_reason"]) == (transcript.text, transcript.finish)
