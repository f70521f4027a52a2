"""Usage and other chunks without choices: where they may stand and where they go."""

import pytest

from llms.protocol.chat import Chunk
from llms.protocol.conform import Conform
from tests.protocol.streams import HEAD, ROLE, USAGE, chunk_of, conform, one, run

LAST = {**HEAD, "choices": [], "usage": USAGE}


class TestUsage:
    def test_a_chunk_of_its_own_comes_last_and_as_it_was(self):
        rules = conform(include_usage=True)
        payload = b'{ "kept": "as sent" }'
        for item in (one(ROLE), one({}, "stop")):
            rules.apply(chunk_of(item))

        assert rules.apply(Chunk([LAST], [payload])) is None
        assert rules.last().payloads() == [payload]

    def test_it_is_dropped_when_nobody_asked(self):
        rules = conform()

        seen = run(one(ROLE), one({}, "stop"), LAST, of=rules)

        assert len(seen) == 2
        assert rules.usage == USAGE

    @pytest.mark.parametrize("choices", [None, [], {}, "none"])
    def test_its_choices_may_be_anything_empty(self, choices):
        seen = run(one(ROLE), one({}, "stop"), {**LAST, "choices": choices}, include_usage=True)

        assert seen[-1] == LAST

    def test_it_may_lack_choices(self):
        seen = run(one(ROLE), one({}, "stop"), {**HEAD, "usage": USAGE}, include_usage=True)

        assert seen[-1] == LAST

    def test_its_head_is_the_streams(self):
        seen = run(one(ROLE), one({}, "stop"), {**LAST, "id": "", "created": 0}, include_usage=True)

        assert seen[-1] == LAST

    @pytest.mark.parametrize("reason", ["stop", "eos"])
    def test_usage_on_the_finish_moves_to_the_end(self, reason):
        """LangChain, pydantic-ai and others add up the usage of all chunks."""
        seen = run(one(ROLE), one({}, reason, usage=USAGE), include_usage=True)

        assert [item.get("usage") for item in seen] == [None, None, USAGE]
        assert seen[-1]["choices"] == []

    def test_usage_on_the_finish_stays_when_nobody_asked(self):
        seen = run(one(ROLE), one({}, "stop", usage=USAGE))

        assert [item.get("usage") for item in seen] == [None, USAGE]

    def test_a_mended_finish_tells_its_usage(self):
        rules = conform()

        run(one(ROLE), one({}, "eos", usage=USAGE), of=rules)

        assert rules.usage == USAGE

    @pytest.mark.parametrize("asked", [True, False])
    def test_running_usage_ends_at_the_last_and_stays_where_it_is_asked_for(self, asked):
        rules = Conform(model="m", fallback_id="x", created=1, include_usage=True, running_usage=asked)
        running = [{**USAGE, "completion_tokens": count} for count in (0, 1, 2)]

        seen = run(
            one(ROLE, usage=running[0]),
            one({"content": "a"}, usage=running[1]),
            one({}, "stop", usage=running[2]),
            of=rules,
        )

        assert rules.usage == running[2] == seen[-1]["usage"]
        assert [item["usage"] for item in seen[:3]] == (running if asked else [None] * 3)

    def test_usage_on_a_chunk_in_the_middle_counts(self):
        rules = conform()

        run(one(ROLE), one({"content": "a"}, usage=USAGE), one({}, "stop"), of=rules)

        assert rules.usage == USAGE

    def test_null_usage_stays_and_says_nothing(self):
        rules = conform(include_usage=True)
        rules.apply(chunk_of(one(ROLE, usage=None)))
        chunk = chunk_of(one({"content": "a"}, usage=None))

        assert rules.apply(chunk) is chunk
        assert rules.last() is None

    @pytest.mark.parametrize("nonsense", [7, "many", [], {}, [1]])
    def test_nonsense_is_not_taken_for_usage(self, nonsense):
        rules = conform(include_usage=True)

        run(one(ROLE, usage=nonsense), one({}, "stop", usage=nonsense), {**LAST, "usage": nonsense}, of=rules)

        assert rules.usage is None or rules.usage == {}

    def test_asked_but_unknown_adds_nothing(self):
        assert len(run(one(ROLE), one({}, "stop"), include_usage=True)) == 2

    def test_vendor_fields_of_a_last_empty_chunk_reach_the_usage_chunk(self):
        seen = run(one(ROLE), one({}, "stop", usage=USAGE), {**HEAD, "choices": [], "x_t": 1}, include_usage=True)

        assert (seen[-1]["x_t"], seen[-1]["usage"], seen[-1]["choices"]) == (1, USAGE, [])


class TestEmptyChoices:
    def test_fields_of_an_azure_first_chunk_move_to_the_next(self):
        first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{"a": 1}]}

        seen = run(first, one(ROLE), one({"content": "x"}), one({}, "stop"))

        assert seen[0] == {"prompt_filter_results": [{"a": 1}], **one(ROLE)}
        assert all("prompt_filter_results" not in item for item in seen[1:])

    def test_they_move_in_the_middle_of_a_stream_too(self):
        seen = run(one(ROLE), {**HEAD, "choices": [], "x_note": 1}, one({"content": "a"}), one({}, "stop"))

        assert [item.get("x_note") for item in seen] == [None, 1, None]

    def test_they_move_within_one_chunk_too(self):
        rules = conform()

        seen = rules.apply(chunk_of({**HEAD, "choices": [], "x_note": 1}, one(ROLE), one({"content": "a"})))

        assert [item.get("x_note") for item in seen.objects] == [1, None]

    def test_the_next_ones_own_field_wins(self):
        seen = run({**HEAD, "choices": [], "x_note": 1}, one(ROLE, x_note=2))

        assert seen[0]["x_note"] == 2

    def test_a_chunk_of_nothing_else_is_dropped(self):
        assert conform().apply(chunk_of({**HEAD, "choices": []}, {**HEAD, "choices": None})) is None
