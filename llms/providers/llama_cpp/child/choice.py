"""Which library runs a model."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Final, cast

from llms.providers.llama_cpp.child.loaded import Loader
from llms.providers.llama_cpp.load import INSTALL, Unloadable

_LIBRARIES: Final[Mapping[str, tuple[str, str]]] = {
    "llama-cpp-python": ("llama_cpp", "llms.providers.llama_cpp.child.llama_python.model:load"),
    "xllamacpp": ("xllamacpp", "llms.providers.llama_cpp.child.xllamacpp:load"),
}
"""Each with its module and its loader; the first is the best, as only it can stop while it reads a long prompt."""


def loader(library: str) -> Loader:
    """Return the loader of a library, or the one at "module:attribute".

    Raise Unloadable when no such library can be imported.
    """
    if ":" in library:
        return _at(library)
    wanted = list(_LIBRARIES) if library == "auto" else [library]
    missing = []
    for name in wanted:
        module, place = _LIBRARIES[name]
        try:
            importlib.import_module(module)
        except (ImportError, OSError, RuntimeError) as reason:
            missing.append(f"{name}: {reason}")
        else:
            return _at(place)
    install = "pip install 'llms[llama-cpp]'" if wanted == ["llama-cpp-python"] else INSTALL
    raise Unloadable(f"no library for local models ({'; '.join(missing)}); install one with: {install}")


def _at(place: str) -> Loader:
    module, _, name = place.partition(":")
    return cast(Loader, getattr(importlib.import_module(module), name))
