"""Sections: classes with a line a key, read with every mistake at once and described to editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import jsonschema  # type: ignore[import-untyped]
import pytest

from llms.config.problems import Invalid, OptionProblem
from llms.config.secret import SecretStr
from llms.config.section import Section, field
from llms.config.units import Duration
from llms.config.values import Number, Refusal, Text, Whole


def _even(number: int) -> int:
    if number % 2:
        raise Refusal("must be even")
    return number


class _Piece(Section):
    path: Annotated[str, Text()]
    size: int = 1

    @classmethod
    def prepared(cls, raw: Any) -> Any:
        return {"path": raw} if isinstance(raw, str) else raw


class _Base(Section):
    """The base."""

    base_url: str = field(description="Where it is.")


class _Whole(_Base):
    """All kinds."""

    pieces: dict[str, _Piece] = field(default_factory=dict)
    order: tuple[_Piece, ...] = ()
    speed: Annotated[float, Number(minimum=0)] = 1.0
    kind: Literal["a", "b"] = "a"
    pairs: Annotated[Annotated[int, Whole(0, 8)], _even] | None = None
    wait: Annotated[float, Duration()] = field(default=2.0, alias="for", description="How long.")
    key: SecretStr | None = None
    known: bool = False
    rest: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def check(self) -> None:
        if self.known and self.key is None:
            raise Refusal("needs a key to be known")


def problems_of(raw: object) -> list[OptionProblem]:
    with pytest.raises(Invalid) as caught:
        _Whole.read(raw)
    return list(caught.value.problems)


def test_what_is_written_is_read_and_the_rest_is_the_default() -> None:
    read = _Whole.read(
        {
            "base_url": "x",
            "pieces": {"a": "b"},
            "order": [{"path": "p", "size": "7"}],
            "pairs": 4,
            "for": "5m",
            "key": "k",
        }
    )

    assert read.pieces == {"a": _Piece(path="b")}
    assert read.order == (_Piece(path="p", size=7),)
    assert (read.pairs, read.wait, read.speed, read.rest) == (4, 300.0, 1.0, {})
    assert read.key == SecretStr("k")


def test_every_mistake_is_told_at_once_with_its_path() -> None:
    raw = {
        "base_ulr": "x",
        "pieces": {"m": {"paht": 1, "size": "big"}, "n": None},
        "order": ["", {"path": 5}],
        "speed": "nan",
        "kind": "c",
        "pairs": 3,
        "known": "perhaps",
        "rest": [],
    }

    assert problems_of(raw) == [
        OptionProblem((), 'needs the key "base_url"'),
        OptionProblem(("pieces", "m"), 'needs the key "path"'),
        OptionProblem(("pieces", "m", "size"), "must be a whole number"),
        OptionProblem(("pieces", "m", "paht"), "unknown key", 'did you mean "path"?'),
        OptionProblem(("pieces", "n"), 'needs the key "path"'),
        OptionProblem(("order", 0, "path"), "must not be empty"),
        OptionProblem(("order", 1, "path"), "must be text", "put quotes around it"),
        OptionProblem(("speed",), "must be a number"),
        OptionProblem(("kind",), "must be one of a, b"),
        OptionProblem(("pairs",), "must be even"),
        OptionProblem(("known",), "must be true or false"),
        OptionProblem(("rest",), "must be a mapping", "write {name: value}"),
        OptionProblem(("base_ulr",), "unknown key", 'did you mean "base_url"?'),
    ]


@pytest.mark.parametrize("raw", [[], "text", 7, True])
def test_what_is_no_mapping_is_refused(raw: object) -> None:
    assert problems_of(raw) == [OptionProblem((), "must be a mapping", "write {name: value}")]


def test_what_does_not_go_together_is_refused_once_each_value_is_right() -> None:
    assert problems_of({"base_url": "x", "known": True}) == [OptionProblem((), "needs a key to be known")]
    assert [each.path for each in problems_of({"base_url": 5, "known": True})] == [("base_url",)]


def test_unknown_keys_beyond_reason_are_told_without_a_guess() -> None:
    unknown = problems_of({"base_url": "x", **dict.fromkeys((f"speed{n}" for n in range(60)), 1)})

    assert [each.hint for each in unknown[:50]] == ['did you mean "speed"?'] * 50
    assert [each.hint for each in unknown[50:]] == [None] * 10


@pytest.mark.parametrize("key", ["self", "raw", "cls", "a b", ""])
def test_a_key_may_be_called_anything(key: str) -> None:
    (problem,) = problems_of({"base_url": "x", key: 1})

    assert (problem.path, problem.message) == ((key,), "unknown key")


def test_the_program_makes_one_by_names() -> None:
    made = _Whole(base_url="x", order=(_Piece(path="p"),))

    assert made == _Whole.read({"base_url": "x", "order": ["p"]})
    assert made != _Whole(base_url="x")
    with pytest.raises(Invalid, match='needs the key "base_url"'):
        _Whole()  # type: ignore[call-arg]


def test_one_cannot_be_changed_but_copied_with_changes() -> None:
    one = _Whole(base_url="x")

    assert (one.changed(speed=2.0).speed, one.speed) == (2.0, 1.0)
    with pytest.raises(AttributeError):
        one.speed = 2.0  # type: ignore[misc]
    with pytest.raises(AssertionError):
        one.changed(sped=2.0)


def test_a_default_that_can_be_changed_is_made_for_each() -> None:
    assert _Whole(base_url="x").pieces is not _Whole(base_url="x").pieces


def test_as_a_mapping() -> None:
    assert _Piece(path="p").as_dict() == {"path": "p", "size": 1}
    assert _Piece(path="p").as_dict(without=["size"]) == {"path": "p"}


def test_secrets_are_not_shown() -> None:
    made = _Whole.read({"base_url": "x", "key": "sk-planted", "rest": {"token": "planted"}})

    assert "planted" not in f"{made} {made!r} {made.key} {[made.key]}"
    assert str(SecretStr("")) == ""
    assert "planted" not in str(problems_of({"base_url": 1, "key": "sk-planted", "speed": "planted"}))


def test_a_kind_that_nobody_knows_is_a_defect() -> None:
    class Odd(Section):
        what: int | str = 1

    with pytest.raises(TypeError, match="no kind of value"):
        Odd.fields()


def test_a_key_cannot_take_the_name_of_a_method() -> None:
    class Odd(Section):
        schema: str = ""  # type: ignore[assignment]

    with pytest.raises(TypeError, match="alias"):
        Odd.fields()


TAKEN: list[dict[str, Any]] = [
    {"base_url": "x"},
    {
        "base_url": "x",
        "pieces": {"a": {"path": "p"}},
        "order": [],
        "speed": 0.5,
        "kind": "b",
        "pairs": None,
        "for": "1s",
    },
    {"base_url": "x", "speed": "${SPEED}", "pairs": "${PAIRS}", "known": "true", "rest": {"any": [1]}},
]
REFUSED: list[dict[str, Any]] = [
    {},
    {"base_url": "x", "wait": 1},
    {"base_url": "x", "pieces": {"a": {}}},
    {"base_url": "x", "speed": -1},
    {"base_url": "x", "kind": "c"},
    {"base_url": "x", "pairs": 10},
    {"base_url": "x", "rest": 1},
]


def test_editors_are_told_the_same() -> None:
    schema = _Whole.schema()
    jsonschema.Draft7Validator.check_schema(schema)
    checker = jsonschema.Draft7Validator(schema)

    assert [raw for raw in TAKEN if not checker.is_valid(raw)] == []
    assert [raw for raw in REFUSED if checker.is_valid(raw)] == []
    for raw in REFUSED:
        assert problems_of(raw)
    assert (schema["description"], schema["properties"]["for"]["description"]) == ("All kinds.", "How long.")
