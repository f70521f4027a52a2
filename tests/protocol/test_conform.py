"""Whatever an upstream streams, clients see what the wire contract promises."""

import json

import pytest

from llms.protocol.chat import FINISH_REASONS, Chunk
from llms.protocol.finish import finish_reason
from llms.testing.plain_client import calls_of, check_stream, text_of
from tests.protocol.streams import HEAD, ROLE, USAGE, call, chunk_of, conform, one, run, told


class TestWhatIsClean:
    STREAM = (one(ROLE), one({"content": "a"}), one({"content": "ü"}), one({}, "stop"))

    def test_a_clean_stream_passes_as_the_same_chunks(self):
        rules = conform()
        chunks = [chunk_of(item) for item in self.STREAM]

        assert all(rules.apply(chunk) is chunk for chunk in chunks)
        assert rules.complete
        assert rules.finish == "stop"

    def test_the_bytes_of_clean_objects_are_kept_beside_mended_ones(self):
        rules = conform()
        bytes_of = [b'{"first": true}', b'{ "as":"sent" }', b'{"third": true}']
        chunk = Chunk([one(ROLE), one({"content": "a"}), one(None, "eos")], bytes_of)
        chunk.skipped, chunk.upstream_request_id = 2, "req-1"

        seen = rules.apply(chunk)

        assert list(seen.payloads()[:2]) == bytes_of[:2]
        assert json.loads(seen.payloads()[2])["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
        assert (seen.skipped, seen.upstream_request_id) == (2, "req-1")

    def test_objects_without_bytes_pass_too(self):
        rules = conform()
        chunk = Chunk.of(*self.STREAM)

        assert rules.apply(chunk) is chunk

    def test_what_the_upstream_sent_is_never_changed(self):
        sent = [one({"content": None, "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}), one({}, "eos")]
        before = json.dumps(sent)

        run(*sent)

        assert json.dumps(sent) == before

    def test_unknown_fields_stay_everywhere(self):
        odd = one({**ROLE, "x_delta": [1]}, x_top={"a": None})
        odd["choices"][0]["x_choice"] = 1.0

        (first, second) = run(odd, {**one({"content": "b"}, "eos", x_last=0), "usage": {**USAGE, "x_cost": 0.1}})

        assert first == odd
        assert (second["x_last"], second["usage"]["x_cost"]) == (0, 0.1)


class TestHeads:
    def test_id_created_and_model_stay_what_they_were_first(self):
        seen = run(one(ROLE), one({"content": "a"}, id="c2", created=5, model="n"), one({}, "stop"))

        assert {(item["id"], item["created"], item["model"]) for item in seen} == {("c1", 1_760_000_000, "m")}

    @pytest.mark.parametrize("name", ["id", "created", "model", "object"])
    def test_one_odd_head_in_the_middle_is_enough(self, name):
        seen = run(one(ROLE), one({"content": "a"}, **{name: 0}), one({}, "stop"))

        check_stream(seen)
        assert seen[1] == one({"content": "a"})

    def test_missing_heads_are_ours(self):
        bare = {"choices": [{"delta": {"content": "a"}}]}

        (first, _) = run(bare, {"choices": [{"delta": {}, "finish_reason": "stop"}]})

        assert (first["id"], first["created"], first["model"]) == ("ours", 1_700_000_000, "asked")
        assert first["choices"] == [{"delta": {"content": "a", "role": "assistant"}, "index": 0, "finish_reason": None}]

    @pytest.mark.parametrize(("created", "kept"), [(1_760_000_000.0, 1_760_000_000), (0, 1_700_000_000), ("x", None)])
    def test_created_is_whole_seconds(self, created, kept):
        seen = run(one(ROLE, created=created), one({"content": "a"}, created=created), one({}, "stop", created=created))

        assert {type(item["created"]) for item in seen} == {int}
        assert seen[1]["created"] == (kept or 1_700_000_000)

    @pytest.mark.parametrize("value", [None, 7, "", ["a"]])
    def test_odd_heads_are_replaced(self, value):
        seen = run(one(ROLE, id=value, model=value, object=value), one({}, "stop", id=value, model=value))

        check_stream(seen)
        assert seen[0]["id"] == "ours"


class TestRoles:
    def test_the_first_chunk_of_each_choice_gets_one(self):
        seen = run(one({"content": "a"}), one({"content": "b"}, index=1), one({"role": "", "content": "c"}))

        assert [item["choices"][0]["delta"].get("role") for item in seen] == ["assistant", "assistant", None]

    @pytest.mark.parametrize("again", ["assistant", ""])
    def test_no_other_chunk_has_one(self, again):
        seen = run(one({"role": "assistant"}), one({"role": again, "content": "b"}), one({"role": again}, "stop"))

        assert ["role" in item["choices"][0]["delta"] for item in seen] == [True, False, False]

    def test_a_null_role_may_stay(self):
        rules = conform()
        rules.apply(chunk_of(one(ROLE)))
        chunk = chunk_of(one({"role": None, "content": "b", "tool_calls": None, "refusal": None}))

        assert rules.apply(chunk) is chunk


class TestFinishReasons:
    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [
            *((reason, reason) for reason in sorted(FINISH_REASONS)),
            ("eos", "stop"),
            ("end_turn", "stop"),
            ("max_tokens", "length"),
            ("MAX_TOKENS", "length"),
            ("tool_use", "tool_calls"),
            ("SAFETY", "content_filter"),
            ("STOP", "stop"),
            ("whatever", "stop"),
            ("", None),
            (None, None),
            (["stop"], None),
            ({"type": "stop"}, None),
            (0, None),
        ],
    )
    def test_theirs_in_our_words(self, theirs, ours):
        rules = conform()

        seen = run(one(ROLE), one({}, theirs), of=rules)

        assert seen[1]["choices"][0]["finish_reason"] == ours == finish_reason(theirs) == rules.finish
        assert rules.complete is (ours is not None)

    @pytest.mark.parametrize("failure", ["error", "ABORT", "insufficient_system_resource"])
    def test_a_failure_is_no_finish(self, failure):
        rules = conform()

        run(one(ROLE), one({}, failure), of=rules)

        assert not rules.complete

    def test_only_the_first_counts(self):
        seen = run(one(ROLE), one({}, "length"), one({}, "stop"), one({}, "stop"))

        assert [item["choices"][0]["finish_reason"] for item in seen] == [None, "length", None, None]

    def test_two_in_one_object_count_once(self):
        twice = one({}, "stop")
        twice["choices"] *= 2

        check_stream(run(one(ROLE), twice))

    def test_a_missing_one_is_null(self):
        seen = run(one(ROLE), {**HEAD, "choices": [{"index": 0, "delta": {"content": "a"}}]})

        assert seen[1]["choices"][0]["finish_reason"] is None

    def test_a_stream_without_any_is_not_complete(self):
        rules = conform()

        run(one(ROLE), one({"content": "a"}), of=rules)

        assert not rules.complete
        assert not conform().complete

    def test_text_beside_the_finish_stays(self):
        seen = run(one({"content": "a"}), one({"content": "b"}, "eos"))

        assert text_of(seen) == "ab"

    def test_annotations_after_the_finish_pass(self):
        seen = run(one(ROLE), one({}, "stop"), {**HEAD, "choices": [{"index": 0, "x_check": 1, "finish_reason": None}]})

        assert seen[2]["choices"] == [{"index": 0, "x_check": 1, "finish_reason": None, "delta": {}}]


class TestManyChoices:
    def test_interleaved_choices_are_told_apart(self):
        both = {**HEAD, "choices": [*one({"content": "C"})["choices"], *one({"content": "d"}, index=1)["choices"]]}
        rules = conform()

        seen = run(
            one({"content": "A"}),
            one({"content": "b"}, index=1),
            both,
            one({}, "stop", index=1),
            one({}, "length"),
            of=rules,
        )

        check_stream(seen)
        assert (text_of(seen), text_of(seen, index=1)) == ("AC", "bd")
        assert rules.complete

    def test_one_that_never_ends_leaves_the_stream_incomplete(self):
        rules = conform()

        run(one(ROLE), one(ROLE, index=1), one({}, "stop"), of=rules)

        assert not rules.complete

    def test_missing_indices_are_positions(self):
        bare = {**HEAD, "choices": [{"delta": {}, "index": True}, {"delta": {"content": "b"}}, None]}

        (seen,) = run(bare)

        assert [choice["index"] for choice in seen["choices"]] == [0, 1, 2]

    @pytest.mark.parametrize("index", [True, 1.0])
    def test_an_index_that_only_equals_a_number_is_replaced(self, index):
        seen = run(one(ROLE), one(ROLE, index=1), one({"content": "a"}, index=index))

        check_stream(seen)

    def test_tool_calls_of_two_choices_do_not_mix(self):
        first = call(id="a", type="function", function={"name": "f", "arguments": ""})
        second = call(id="b", type="function", function={"name": "g", "arguments": ""})

        seen = run(
            told(first),
            one({"tool_calls": [second]}, index=1),
            told(call(function={"arguments": "1"})),
            one({"tool_calls": [call(function={"arguments": "2"})]}, index=1),
            one({}, "stop"),
            one({}, "stop", index=1),
        )

        assert [(held["name"], held["arguments"]) for held in calls_of(seen)] == [("f", "1")]
        assert [(held["name"], held["arguments"]) for held in calls_of(seen, index=1)] == [("g", "2")]


class TestDeltas:
    @pytest.mark.parametrize("choices", [5, "x", {"0": {}}])
    def test_choices_that_are_no_list_are_none(self, choices):
        assert len(run(one(ROLE), {**HEAD, "choices": choices}, one({}, "stop"))) == 2

    @pytest.mark.parametrize("delta", [None, "text", 7, []])
    def test_a_delta_is_never_anything_but_an_object(self, delta):
        seen = run(one(ROLE), one(delta))

        assert seen[1]["choices"][0]["delta"] == {}

    def test_null_content_stays(self):
        rules = conform()
        rules.apply(chunk_of(one({"role": "assistant", "content": None})))
        chunk = chunk_of(one({"content": None, "reasoning_content": "hm"}))

        assert rules.apply(chunk) is chunk

    def test_parts_become_text_and_reasoning(self):
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "A"}, {"type": "text", "text": "b"}]}

        seen = run(
            one({"content": [thinking]}),
            one({"reasoning_content": "c", "content": [{"type": "thinking", "thinking": ["d"]}]}),
            one({"content": [{"type": "text", "text": "x"}, "y", {"type": "image"}, None]}),
            one({"content": {"type": "text", "text": "z"}}),
            one({"content": 7}),
        )

        check_stream(seen)
        assert (text_of(seen, "reasoning_content"), text_of(seen)) == ("Abcd", "xyz")

    def test_reasoning_keeps_its_upstreams_name(self):
        seen = run(one({"reasoning": "a"}), one({"reasoning_content": "b"}))

        assert (text_of(seen, "reasoning"), text_of(seen, "reasoning_content")) == ("a", "b")
