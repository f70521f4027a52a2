from __future__ import annotations

import timeit

import pytest

from llms.protocol.chat import ModelInfo
from llms.protocol.errors import ModelNotFound
from llms.routing.catalog import Catalog, Named, Route, Target


def row(*targets: str, strategy: str = "ordered", overflow: str | None = None) -> Named:
    return Named(tuple(map(Target.of, targets)), strategy, Target.of(overflow) if overflow else None)


def models(*ids: str) -> list[ModelInfo]:
    return [ModelInfo(one) for one in ids]


def house(*, default: str | None = None) -> Catalog:
    """A catalog in which every rule has something to answer."""
    names = {
        "smart": row("openai/gpt-5.5", "claude/opus", overflow="gemini/pro"),
        "gpt-4o-audio": row("azure/audio"),
        "openai/gpt-3": row("azure/gpt-3"),
        "gpt-4*": row("azure/*"),
        "gpt-4o*": row("openai/*"),
        "gpt-4o-nano*": row("groq/*"),
        "broken": row("groq/llama", "mistral/large"),
        "half": row("groq/llama", "openai/gpt-4o", overflow="groq/long"),
        "nowhere": row("elsewhere/x"),
    }
    skipped = {"groq": "needs GROQ_API_KEY", "mistral": "needs MISTRAL_API_KEY"}
    catalog = Catalog(names, ["openai", "azure", "claude", "gemini", "openrouter"], default=default, skipped=skipped)
    catalog.set_list("openai", models("gpt-4o", "gpt-5.5", "o3", "gpt-4o-only-here"))
    catalog.set_list("azure", models("gpt-4o", "o3"))
    catalog.set_list("openrouter", models("openai/o3", "openai/o4", "vendor/thing", "groq/llama"))
    return catalog


@pytest.mark.parametrize(
    ("name", "targets", "why"),
    [
        ("smart", ["openai/gpt-5.5", "claude/opus"], "name in models"),
        ("gpt-4o-audio", ["azure/audio"], "name in models"),
        ("openai/gpt-3", ["azure/gpt-3"], "name in models"),
        ("openai/gpt-4o", ["openai/gpt-4o"], "provider/model"),
        ("openai/never-listed", ["openai/never-listed"], "provider/model"),
        ("claude/list-is-down", ["claude/list-is-down"], "provider/model"),
        ("openai/o3", ["openai/o3"], "provider/model"),
        ("openrouter/openai/o4", ["openrouter/openai/o4"], "provider/model"),
        ("gpt-5.5", ["openai/gpt-5.5"], "listed by openai"),
        ("gpt-4o-only-here", ["openai/gpt-4o-only-here"], "listed by openai"),
        ("vendor/thing", ["openrouter/vendor/thing"], "listed by openrouter"),
        ("groq/llama", ["openrouter/groq/llama"], "listed by openrouter"),
        ("gpt-4-turbo", ["azure/gpt-4-turbo"], 'wildcard "gpt-4*"'),
        ("gpt-4o-mini", ["openai/gpt-4o-mini"], 'wildcard "gpt-4o*"'),
        ("gpt-4o", ["openai/gpt-4o"], 'wildcard "gpt-4o*"'),
        ("half", ["openai/gpt-4o"], "name in models"),
    ],
)
def test_the_rules_apply_in_their_order(name: str, targets: list[str], why: str) -> None:
    for catalog in (house(), house(default="smart")):
        route = catalog.resolve(name)
        assert [target.id for target in route.targets] == targets
        assert (route.name, route.why) == (name, why)


def test_a_row_gives_strategy_and_overflow() -> None:
    assert house().resolve("smart").overflow == Target("gemini", "pro")
    catalog = Catalog({"fast": row("a/m", "b/m", strategy="fastest")}, ["a", "b"])
    assert catalog.resolve("fast").strategy == "fastest"


def test_targets_without_their_provider_are_left_out_with_the_reason() -> None:
    route = house().resolve("half")
    assert route.overflow is None
    assert route.left_out == (
        (Target("groq", "llama"), "needs GROQ_API_KEY"),
        (Target("groq", "long"), "needs GROQ_API_KEY"),
    )


def test_a_target_that_stands_twice_is_one() -> None:
    catalog = Catalog({"m": row("a/m", "b/m", "a/m")}, ["a", "b"])
    assert catalog.resolve("m").targets == (Target("a", "m"), Target("b", "m"))


def refusal(catalog: Catalog, name: str) -> str:
    with pytest.raises(ModelNotFound) as caught:
        catalog.resolve(name)
    assert caught.value.http_status == 404
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    return caught.value.message


def test_a_row_without_a_usable_target_says_which_variable_is_needed() -> None:
    message = refusal(house(), "broken")
    assert message == (
        'The model "broken" has no usable target: groq: needs GROQ_API_KEY; mistral: needs MISTRAL_API_KEY.'
    )
    assert "elsewhere: no provider of this name is there" in refusal(house(), "nowhere")
    assert "groq: needs GROQ_API_KEY" in refusal(house(default="smart"), "gpt-4o-nano-x")


def test_a_provider_that_is_skipped_says_what_it_needs() -> None:
    assert "groq: needs GROQ_API_KEY" in refusal(house(), "groq/other")


def test_a_bare_id_at_two_providers_names_both_forms() -> None:
    for default in (None, "smart"):
        message = refusal(house(default=default), "o3")
        assert "openai/o3 or azure/o3" in message


def test_a_mistyped_id_names_the_nearest() -> None:
    message = refusal(house(), "gpt-5,5")
    assert "Did you mean openai/gpt-5.5" in message
    assert "smart?" in refusal(house(), "smrat")


def test_an_id_like_nothing_else_names_the_three_ways_out() -> None:
    message = refusal(house(), "quux")
    for part in ("needs GROQ_API_KEY", "add a local model", "providers.yaml", "This server has smart, "):
        assert part in message
    empty = refusal(Catalog({}, []), "gpt-4o")
    assert "OPENAI_API_KEY" in empty
    assert "This server has" not in empty


@pytest.mark.parametrize("name", ["", "/", "openai/", "/gpt", "x" * 100_000, "openai/" + "x" * 100_000, "a\nb\x1b[31m"])
def test_strange_names_are_refused_in_few_words(name: str) -> None:
    message = refusal(house(), name)
    assert len(message) < 800
    assert message.isprintable()


def test_the_default_answers_unknown_names_only() -> None:
    route = house(default="smart").resolve("quux")
    assert route.name == "quux"
    assert route.why == "defaults.model"
    assert [target.id for target in route.targets] == ["openai/gpt-5.5", "claude/opus"]
    assert house(default="openai/x").resolve("quux").targets == (Target("openai", "x"),)


@pytest.mark.parametrize("default", ["broken", "nothing", "o3", "groq/x"])
def test_a_default_that_leads_nowhere_is_blamed(default: str) -> None:
    message = refusal(house(default=default), "quux")
    assert message.startswith("defaults.model: ")
    assert default in message


def test_a_new_list_takes_the_place_of_the_old_one() -> None:
    catalog = Catalog({}, ["a", "b"])
    assert catalog.unlisted() == {"a", "b"}
    refusal(catalog, "m")
    catalog.set_list("a", models("m"))
    assert catalog.resolve("m").targets == (Target("a", "m"),)
    assert catalog.unlisted() == {"b"}
    catalog.set_list("b", models("m"))
    assert "a/m or b/m" in refusal(catalog, "m")
    catalog.set_list("a", [])
    assert catalog.resolve("m").targets == (Target("b", "m"),)
    assert catalog.unlisted() == set()


def test_a_new_list_is_searched_for_mistyped_ids() -> None:
    catalog = Catalog({}, ["a"])
    refusal(catalog, "qwen3-4")
    catalog.set_list("a", models("qwen3-4b"))
    assert "Did you mean a/qwen3-4b?" in refusal(catalog, "qwen3-4")


def test_the_list_of_a_provider_not_in_use_is_ignored() -> None:
    catalog = Catalog({}, ["a"])
    catalog.set_list("gone", models("m"))
    refusal(catalog, "m")
    assert catalog.entries() == []


def test_knows_only_what_is_configured_or_listed() -> None:
    catalog = house()
    for name in ("smart", "broken", "gpt-4o", "openai/gpt-4o", "openrouter/openai/o4", "vendor/thing"):
        assert catalog.knows(name)
    for name in ("gpt-4o*", "gpt-4o-mini", "openai/invented", "quux", "", "groq/x", "openai/"):
        assert not catalog.knows(name)


def test_entries_are_the_usable_names_and_every_listed_model() -> None:
    catalog = house()
    found = catalog.entries()
    assert [(name, provider) for name, _, provider in found] == [
        ("smart", ""),
        ("gpt-4o-audio", ""),
        ("openai/gpt-3", ""),
        ("half", ""),
        ("openai/gpt-4o", "openai"),
        ("openai/gpt-5.5", "openai"),
        ("openai/o3", "openai"),
        ("openai/gpt-4o-only-here", "openai"),
        ("azure/gpt-4o", "azure"),
        ("azure/o3", "azure"),
        ("openrouter/openai/o3", "openrouter"),
        ("openrouter/openai/o4", "openrouter"),
        ("openrouter/vendor/thing", "openrouter"),
        ("openrouter/groq/llama", "openrouter"),
    ]
    assert found == catalog.entries()


def test_every_entry_can_be_asked_for() -> None:
    catalog = house()
    for name, _, _ in catalog.entries():
        assert isinstance(catalog.resolve(name), Route)


def test_entries_are_unique_and_a_configured_name_wins() -> None:
    catalog = Catalog({"a/m": row("b/other")}, ["a", "b"])
    catalog.set_list("a", [ModelInfo("m"), ModelInfo("m")])
    assert [(name, provider) for name, _, provider in catalog.entries()] == [("a/m", "")]


def test_a_name_is_described_by_its_first_target() -> None:
    catalog = Catalog({"n": row("a/m", "b/m"), "u": row("b/m")}, ["a", "b"])
    catalog.set_list("a", [ModelInfo("m", owned_by="acme", created=5, extra={"context_window": 8192})])
    about = {name: info for name, info, _ in catalog.entries()}
    assert about["n"] == ModelInfo("n", owned_by="acme", created=5, extra={"context_window": 8192})
    assert about["u"] == ModelInfo("u", owned_by="b")


def test_answers_are_remembered_within_bounds() -> None:
    catalog = house()
    assert catalog.resolve("smart") is catalog.resolve("smart")
    for n in range(5_000):
        catalog.resolve(f"openai/invented-{n}")
    assert len(catalog._memo) <= 1024


def test_a_remembered_refusal_is_a_new_error_each_time() -> None:
    catalog = house()
    found = []
    for _ in range(2):
        with pytest.raises(ModelNotFound) as caught:
            catalog.resolve("quux")
        found.append(caught.value)
    assert found[0] is not found[1]
    assert found[0].message == found[1].message


def test_a_remembered_name_costs_less_than_a_microsecond() -> None:
    catalog = house()
    best = min(timeit.repeat(lambda: catalog.resolve("smart"), number=10_000, repeat=7)) / 10_000
    assert best < 1e-6
