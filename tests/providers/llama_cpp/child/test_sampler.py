"""What a row of samplers hears of the prompt."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest

from llms.providers.llama_cpp.child.llama_python.sampler import Sampler
from llms.providers.llama_cpp.child.llama_python.wishes import Wishes


@pytest.mark.parametrize(
    ("last", "heard"),
    [(64, list(range(50))), (51, list(range(50))), (50, list(range(50))), (3, [47, 48, 49]), (0, [])],
)
def test_penalties_count_the_last_tokens_of_the_prompt_or_all_of_them(last: int, heard: list[int]) -> None:
    native = MagicMock()
    wishes = Wishes(seed=1, repeat_penalty=1.5, repeat_last_n=last)
    Sampler(native, MagicMock(size=100), MagicMock(), wishes, form=None).hear(range(50))

    assert [call.args[1] for call in native.llama_sampler_accept.call_args_list] == heard
