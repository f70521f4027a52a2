"""The transcripts are what they say they are."""

import json

import pytest

from llms.testing.transcripts import TRANSCRIPTS


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_transcript_says_what_it_promises(name):
    transcript = TRANSCRIPTS[name]
    objects = transcript.objects()

    assert transcript.source
    choices = [choice for item in objects for choice in item["choices"]]
    deltas = [choice.get("delta") or {} for choice in choices]
    plain = "".join(delta["content"] for delta in deltas if isinstance(delta.get("content"), str))
    if name not in ("mistral", "halves"):
        assert plain == transcript.text
    fragments = [call["function"] for delta in deltas for call in delta.get("tool_calls") or ()]
    said = "".join(fragment["arguments"] for fragment in fragments)
    assert said in ("".join(arguments for _, arguments in transcript.tool_calls), "")
    reasons = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    assert len(reasons) == 1
    if transcript.finish is None:
        assert any("error" in item for item in objects)


def test_names_are_unique_and_every_text_is_real_utf8():
    assert len({transcript.raw for transcript in TRANSCRIPTS.values()}) == len(TRANSCRIPTS)
    for transcript in TRANSCRIPTS.values():
        assert json.loads(json.dumps(transcript.text, ensure_ascii=False)) == transcript.text
        transcript.raw.decode("utf-8-sig")
