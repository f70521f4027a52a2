"""JSON as every side reads it: orjson first, the standard library where orjson would change or refuse what is legal."""

from __future__ import annotations

import json as _stdlib
from typing import Any, NoReturn

import orjson

MAX_DEPTH = 100
_EXACT_INTEGER = float(2**63)


def loads(data: bytes) -> Any:
    """Decode JSON text; raise ValueError for anything that is not strict UTF-8 JSON.

    Lone surrogate escapes are legal JSON that orjson refuses, and integers beyond 64 bits become floats in
    it: both go through the standard library (which is told to refuse NaN and Infinity).
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        if b"\\u" not in data:
            raise
        return exact_loads(data)
    if value.__class__ is dict:
        for item in value.values():
            if item.__class__ is float and not -_EXACT_INTEGER < item < _EXACT_INTEGER:
                return exact_loads(data)
    return value


def exact_loads(data: bytes) -> Any:
    """Decode with the standard library: any integer, lone surrogates kept, no NaN."""
    try:
        return _stdlib.loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(value: Any) -> bytes:
    """Encode as compact UTF-8 JSON; lone surrogates and huge integers are kept by escaping."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return _stdlib.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def dumps_around(name: str, text: bytes | memoryview, others: dict[str, Any]) -> bytes:
    """Encode an object whose first member has a JSON text already."""
    rest = dumps(others)
    return b"".join((b'{"', name.encode(), b'":', text, b"," if others else b"", memoryview(rest)[1:]))


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same JSON: equal in Python is not enough (1 and 1.0, 1 and true)."""
    return bool(one == other) and dumps(one) == dumps(other)


def is_deeper_than(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Tell whether lists and objects are nested over `limit` levels, without recursion."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            for child in (parent.values() if parent.__class__ is dict else parent)
            if child.__class__ is dict or child.__class__ is list
        ]
        if not level:
            return False
    return True


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
