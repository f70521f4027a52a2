"""What the name of a model tells: where it is, and which generation it belongs to."""

from __future__ import annotations

import re
from typing import Final

from llms.protocol.errors import InvalidRequest, excerpt

_COLLECTIONS: Final = ("models/", "tunedModels/")
_BEFORE_THE_THIRD: Final = re.compile(r"gemini-(robotics-er-)?[12]\b|gemma|learnlm")


def resource(model: str) -> str:
    """Return the path of a model below the API's address; raise InvalidRequest for one that would lead elsewhere."""
    path = model if model.startswith(_COLLECTIONS) else f"models/{model}"
    if any(step in ("", ".", "..") for step in path.split("/")):
        raise InvalidRequest(f"`model` must be the id of a model, found {excerpt(model)}.", param="model")
    return path


def is_third_generation(model: str) -> bool:
    """Tell whether a model is of Gemini 3 or later; unknown names and the moving ones (`…-latest`) are."""
    return _BEFORE_THE_THIRD.search(model) is None
