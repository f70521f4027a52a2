"""Streams in a client's own dialect: their bytes pass, what they tell is noted."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.errors import UpstreamOverloaded, UpstreamProtocolError
from llms.protocol.native_reader import NativeReader
from llms.protocol.noting import noting
from llms.testing.messages import STOP, block, delta, message_event, start


def reader(*, max_event=2**20):
    return NativeReader(noting("messages"), provider="up", max_event=max_event)


def whole_stream(text="Hi"):
    return start(tokens=11) + block(0, {"type": "text", "text": ""}, delta("text", text)) + message_event() + STOP


def cut_up(data, places):
    edges = [0, *sorted(places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


def fed(reads, **options):
    made = reader(**options)
    found = [made.feed(read) for read in reads]
    found.append(made.close())
    return made, [native for native in found if native is not None]


class TestPassing:
    @given(
        text=st.text(),
        ends=st.sampled_from([b"\n", b"\r\n", b"\r"]),
        places=st.lists(st.integers(0, 400), max_size=30),
    )
    def test_any_split_gives_the_same_bytes_and_notes(self, text, ends, places):
        stream = whole_stream(text)
        made, natives = fed(cut_up(stream.replace(b"\n", ends), [place for place in places if place < len(stream)]))

        assert b"".join(native.wire for native in natives) == stream
        assert all(native.wire.endswith(b"\n\n") for native in natives if native.wire)
        assert made.done
        assert made.error is None
        last = natives[-1]
        assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (11, 5)
        assert (last.finish, last.complete) == ("stop", True)

    def test_events_are_counted(self):
        _, natives = fed([whole_stream()])

        assert sum(native.events for native in natives) == 6

    def test_what_follows_the_end_is_left_out(self):
        made, natives = fed([whole_stream() + b"event: late\ndata: {}\n\n"])

        assert made.done
        assert b"late" not in natives[-1].wire

    def test_comments_and_unknown_events_pass(self):
        odd = b": hello\n\n" + b'event: new_thing\ndata: {"type":"new_thing"}\n\n'
        _, natives = fed([odd, whole_stream()])

        assert natives[0].wire == odd

    def test_text_about_events_is_no_event(self):
        tricky = block(0, {"type": "text", "text": ""}, delta("text", 'event: message_stop {"type":"error"}'))
        made, natives = fed([start(), tricky])

        assert not made.done
        assert made.error is None
        assert not natives[-1].complete


class TestEnds:
    def test_a_missing_last_event_is_added(self):
        made, natives = fed([whole_stream().removesuffix(STOP)])

        assert b"".join(native.wire for native in natives) == whole_stream()
        assert made.done

    def test_a_missing_blank_line_is_added(self):
        _, natives = fed([whole_stream()[:-2]])

        assert b"".join(native.wire for native in natives) == whole_stream()

    def test_half_an_event_of_a_cut_body_is_left_out(self):
        made = reader()
        made.feed(whole_stream().removesuffix(STOP) + STOP[:20])

        assert made.close(cut=True).wire == STOP

    def test_an_end_without_a_stop_reason_is_not_complete(self):
        made, natives = fed([start(), block(0, {"type": "text", "text": ""}, delta("text", "half"))])

        assert not made.done
        assert not natives[-1].complete

    @pytest.mark.parametrize("named", [True, False])
    def test_an_error_event_is_kept_back(self, named):
        text = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
        error = (b"event: error\n" if named else b"") + b"data: " + text.encode() + b"\n\n"
        made, natives = fed([start() + error + STOP])

        assert [native.wire for native in natives] == [start()]
        assert isinstance(made.error, UpstreamOverloaded)
        assert "Overloaded" in made.error.message

    def test_an_event_without_end_is_refused(self):
        made, _ = fed([b"data: " + b"x" * 100, b"x" * 100], max_event=150)

        assert isinstance(made.error, UpstreamProtocolError)
