"""Links of a chat are found by their field, and replaced without touching anything else."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llms.protocol.links import Link, links, replaced

CAT, PAPER, SOUND = "https://a.example/cat.png", "HTTP://b.example/paper", "https://c.example/s.wav"
CHAT: dict[str, Any] = {
    "model": "m",
    "x_kept": [1],
    "messages": [
        {"role": "system", "content": "https://in.text.example is no link"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": CAT},
                {"type": "image_url", "image_url": {"url": CAT, "detail": "low"}, "cache_control": {"type": "x"}},
                {"type": "image_url", "image_url": "data:image/png;base64,AA=="},
                {"type": "file", "file": {"file_data": PAPER, "filename": "p.pdf"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "input_audio", "input_audio": {"data": SOUND}},
                {"type": "unheard_of", "image_url": {"url": CAT}},
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "image_url", "image_url": CAT}]},
        {"role": "assistant", "content": None},
    ],
}


def test_links_are_told_with_their_field() -> None:
    assert links(CHAT) == [
        Link(CAT, "messages[1].content[1].image_url.url", "image_url"),
        Link(PAPER, "messages[1].content[3].file.file_data", "file"),
        Link(CAT, "messages[2].content[0].image_url", "image_url"),
    ]


def test_they_are_replaced_where_they_stand_and_the_rest_is_shared() -> None:
    before = copy.deepcopy(CHAT)
    found = replaced(CHAT, {CAT: "data:cat", PAPER: "data:paper"})
    parts = found["messages"][1]["content"]

    assert before == CHAT, "the client's own body may go to another target"
    assert links(found) == []
    assert parts[1] == {
        "type": "image_url",
        "image_url": {"url": "data:cat", "detail": "low"},
        "cache_control": {"type": "x"},
    }
    assert parts[3]["file"] == {"file_data": "data:paper", "filename": "p.pdf"}
    assert found["messages"][2]["content"] == [{"type": "image_url", "image_url": {"url": "data:cat"}}]
    assert parts[0] is CHAT["messages"][1]["content"][0]
    assert found["messages"][0] is CHAT["messages"][0]
    assert (found["x_kept"], found["model"]) == ([1], "m")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([CAT, "image_url", "file", "data:x", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "image_url", "file", "url", "file_data", "content", "role"]), inner, max_size=4
        )
    ),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4))
def test_any_messages_are_read_and_none_of_their_links_is_left(messages: list[Any]) -> None:
    body = {"messages": messages}
    found = links(body)

    assert links(replaced(body, {link.url: "data:x" for link in found})) == []
    if not found:
        assert replaced(body, {}) == body
