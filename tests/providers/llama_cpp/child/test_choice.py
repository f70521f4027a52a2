"""Which library is taken, and what is said when there is none."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from llms.providers.llama_cpp.child import xllamacpp
from llms.providers.llama_cpp.child.choice import loader
from llms.providers.llama_cpp.child.llama_python import model as llama_python
from llms.providers.llama_cpp.load import Unloadable
from tests.providers.llama_cpp import scripted

MODULES = {"llama-cpp-python": "llama_cpp", "xllamacpp": "xllamacpp"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for name, module in MODULES.items():
        monkeypatch.setitem(sys.modules, module, ModuleType(module) if name in request.param else None)


@pytest.mark.parametrize(
    ("installed", "library", "module"),
    [
        (["llama-cpp-python", "xllamacpp"], "auto", llama_python),
        (["llama-cpp-python"], "auto", llama_python),
        (["xllamacpp"], "auto", xllamacpp),
        (["llama-cpp-python", "xllamacpp"], "xllamacpp", xllamacpp),
        (["llama-cpp-python", "xllamacpp"], "llama-cpp-python", llama_python),
    ],
    indirect=["installed"],
)
@pytest.mark.usefixtures("installed")
def test_the_library_that_is_there_and_wanted_is_taken(library: str, module: ModuleType) -> None:
    assert loader(library) is module.load


@pytest.mark.parametrize(
    ("installed", "library", "command"),
    [
        ([], "auto", r"pip install 'llms\[local\]'"),
        (["llama-cpp-python"], "xllamacpp", r"pip install 'llms\[local\]'"),
        (["xllamacpp"], "llama-cpp-python", r"pip install 'llms\[llama-cpp\]'"),
    ],
    indirect=["installed"],
)
@pytest.mark.usefixtures("installed")
def test_a_library_that_is_missing_is_named_in_one_line_with_its_command(library: str, command: str) -> None:
    with pytest.raises(Unloadable, match=rf"no library for local models.*{command}$") as missing:
        loader(library)
    assert "\n" not in str(missing.value)


def test_a_loader_may_be_named_by_its_place() -> None:
    assert loader(scripted.LOADER) is scripted.load
