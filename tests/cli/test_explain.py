"""`llms explain`: the plan behind a model id."""

from __future__ import annotations

import json

import pytest

from llms.testing.fake_upstream import FakeUpstream
from tests.cli.conftest import Home, Run

FILE = """
providers:
  a: {type: echo, models: [one, two]}
  b: {type: echo, models: [one]}
  gone: {type: openai_compatible, base_url: "URL"}
  keyless: {type: openai, api_key: "${MY_KEY}"}
models:
  smart:
    targets: [{target: keyless/x, weight: 2}, {target: a/two, weight: 3}, gone/y]
    strategy: weighted
    on_context_overflow: b/one
  "cloud*": {targets: ["a/*"]}
"""


async def test_the_plan_in_json(home: Home, llms: Run) -> None:
    async with FakeUpstream(refuses=True) as nobody:
        home.write(FILE.replace("URL", nobody.url))
        ran = await llms("explain", "smart", "--json")

    plan = json.loads(ran.out)
    assert ran.code == 0
    assert (plan["model"], plan["why"], plan["strategy"]) == ("smart", "name in models", "weighted")
    targets = {target["target"]: target for target in plan["targets"]}
    assert targets.keys() == {"a/two", "gone/y"}
    assert targets["a/two"]["weight"] == 3
    assert targets["a/two"]["problem"] is None
    assert targets["gone/y"]["problem"].startswith("gone: cannot connect")
    assert plan["skipped"] == [{"target": "keyless/x", "why": "needs MY_KEY"}]
    assert plan["on_context_overflow"] == "b/one"


async def test_the_plan_in_words(home: Home, llms: Run) -> None:
    async with FakeUpstream(refuses=True) as nobody:
        home.write(FILE.replace("URL", nobody.url))
        ran = await llms("explain", "smart")

    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0] == "smart: name in models, strategy weighted"
    assert {line[3:].partition(":")[0] for line in lines[1:3]} == {"a/two, weight 3", "gone/y, weight 1"}
    assert lines[3] == "too long for these: b/one: not tried yet"
    assert lines[4] == "skipped keyless/x: needs MY_KEY"
    assert lines[5].startswith("note: gone: cannot connect")


@pytest.mark.parametrize(
    ("model", "why", "target"),
    [
        ("a/anything/at all", "provider/model", "a/anything/at all"),
        ("two", "listed by a", "a/two"),
        ("cloud-9", 'wildcard "cloud*"', "a/cloud-9"),
    ],
)
async def test_each_way_to_a_target(home: Home, llms: Run, model: str, why: str, target: str) -> None:
    home.write(FILE.replace('  gone: {type: openai_compatible, base_url: "URL"}\n', "").replace(", gone/y", ""))
    plan = json.loads((await llms("explain", model, "--json")).out)

    assert plan["why"] == why
    assert [each["target"] for each in plan["targets"]] == [target]


async def test_an_unknown_id_is_told_the_nearest(home: Home, llms: Run) -> None:
    home.write(FILE.replace('  gone: {type: openai_compatible, base_url: "URL"}\n', "").replace(", gone/y", ""))
    near = await llms("explain", "smrt")
    both = await llms("explain", "one", "--json")

    assert (near.code, near.out) == (1, "")
    assert "Did you mean smart" in near.err
    assert len(near.err.splitlines()) == 1
    assert both.code == 1
    assert "a/one or b/one" in both.err
