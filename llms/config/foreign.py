"""Read the own keys of a row as a pydantic model, which providers of other packages bring, with errors in our words.

Nothing here is imported before such a row is there: pydantic takes 8 MB and 90 ms of a start.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from llms.config.problems import Invalid, OptionProblem, Path
from llms.config.values import Refusal, did_you_mean

_BY_TYPE = {
    "string_type": ("must be text", "put quotes around it"),
    "int_type": ("must be a whole number", None),
    "int_parsing": ("must be a whole number", None),
    "int_from_float": ("must be a whole number", None),
    "float_type": ("must be a number", None),
    "float_parsing": ("must be a number", None),
    "bool_type": ("must be true or false", None),
    "bool_parsing": ("must be true or false", None),
    "tuple_type": ("must be a list", "write [first, second]"),
    "list_type": ("must be a list", "write [first, second]"),
    "dict_type": ("must be a mapping", "write {name: value}"),
    "mapping_type": ("must be a mapping", "write {name: value}"),
    "model_type": ("must be a mapping", "write {name: value}"),
    "model_attributes_type": ("must be a mapping", "write {name: value}"),
    "string_too_short": ("must not be empty", None),
    "string_unicode": ("must be text", "write it in UTF-8"),
}
_SUGGESTED = 50


def read(model: type[BaseModel], raw: Mapping[str, Any]) -> BaseModel:
    """Return what the keys say; raise Invalid."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = problems_of(error, model)
    # Not from within the clause: pydantic's error holds the values, and would hang on as context.
    raise Invalid(problems)


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[OptionProblem]:
    """Return every problem of `error`, which `model` raised. No value is quoted."""
    details = error.errors(include_url=False, include_input=False)
    return [_problem(detail, model, suggest=position < _SUGGESTED) for position, detail in enumerate(details)]


def _problem(detail: ErrorDetails, model: type[BaseModel], *, suggest: bool) -> OptionProblem:
    path: Path = tuple(detail["loc"])
    context = detail.get("ctx", {})
    refusal = context.get("error")
    if isinstance(refusal, Refusal):
        return OptionProblem(path, refusal.message, refusal.hint)
    if detail["type"] == "extra_forbidden":
        return OptionProblem(path, "unknown key", _known_keys(path, model) if suggest else None)
    if detail["type"] == "missing":
        return OptionProblem(path[:-1], f'needs the key "{path[-1]}"')
    if detail["type"] == "literal_error":
        words = re.sub(r"'([^']*)'", r"\1", str(context.get("expected", ""))).replace(" or ", ", ")
        return OptionProblem(path, f"must be one of {words}")
    message, hint = _BY_TYPE.get(detail["type"], (None, None))
    if message is None:
        message = re.sub(r"^Value error, |^Assertion failed, |^Input should be ", "", detail["msg"])
        message = f"must be {message}" if detail["msg"].startswith("Input should be ") else message
    return OptionProblem(path, message, hint)


def _known_keys(path: Path, model: type[BaseModel]) -> str | None:
    """Return the question for the key that was meant, or the list of keys."""
    annotation: Any = model
    for step in path[:-1]:
        annotation = _below(annotation, step)
    section = next((each for each in _alternatives(annotation) if _is_model(each)), None)
    if section is None:
        return None
    keys = [field.alias or name for name, field in section.model_fields.items()]
    return did_you_mean(str(path[-1]), keys) or (f"known keys are {', '.join(keys)}" if keys else None)


def _below(annotation: Any, step: str | int) -> Any:
    """Return the annotation of what stands under `step` in a value of `annotation`, None where that is unknown."""
    for each in _alternatives(annotation):
        if _is_model(each):
            return each.model_fields[step].annotation if step in each.model_fields else None
        inner = typing.get_args(each)
        if inner:
            return inner[0] if isinstance(step, int) else inner[-1]
    return None


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types that a union stands for, without None and without what `Annotated` adds."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _alternatives(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [each for argument in typing.get_args(annotation) for each in _alternatives(argument)]
    return [] if annotation in (None, type(None)) else [annotation]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
