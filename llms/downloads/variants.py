"""Choose among the GGUF files of a repository: one model in several quantizations, some of them split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, final

from llms.downloads.names import SUFFIX, part_of
from llms.downloads.remote_file import RemoteFile
from llms.protocol.errors import InvalidRequest, NotFound

_QUANT: Final = re.compile(
    r"(?:^|[-._])((?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_MOE)?|BF16|FP?16|FP?32))(?=$|[-._])", re.IGNORECASE
)
_NO_MODELS: Final = ("mmproj", "imatrix")
"""What these files begin with: they come beside models."""
_SHOWN: Final = 30

_PREFERRED: Final[tuple[Callable[[str], bool], ...]] = (
    lambda quant: quant == "Q4_K_M",
    lambda quant: quant.startswith("Q4_"),
    lambda quant: quant.startswith("Q5_"),
    lambda quant: quant == "Q8_0",
    lambda quant: True,
)


@final
@dataclass(frozen=True, slots=True)
class Variant:
    """One model of a repository: all of its files in order."""

    name: str
    """The name of its file without `.gguf` and without the number of the part."""
    quant: str
    """In capitals; empty where the name tells none."""
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        """Return the bytes of all files, as far as they are known."""
        return sum(file.size or 0 for file in self.files)

    def answers(self, wanted: str) -> bool:
        """Tell whether a person who wrote this may mean it."""
        asked = wanted.upper().removesuffix(SUFFIX.upper())
        return asked in (self.quant, self.quant.removeprefix("UD-"), self.name.upper())

    def label(self) -> str:
        """Return what to write for it, with its size."""
        return f"{self.quant or self.name} ({self.size / 1e9:.1f} GB)" if self.size else self.quant or self.name


def choose(files: Iterable[RemoteFile], *, quant: str, repo: str) -> Variant:
    """Return the model that was asked for, or the usual choice where `quant` is empty.

    Raise NotFound when there is none, and InvalidRequest when several are meant; both list what there is.
    """
    found = variants(files)
    if not found:
        raise NotFound(f"{repo} holds no GGUF file that is a model. Look for a repository whose name ends in -GGUF.")
    fit = [variant for variant in found if variant.answers(quant)] if quant else _usual(found)
    exact = [variant for variant in fit if quant and quant.upper() in (variant.quant, variant.name.upper())]
    fit = exact or fit
    if not fit:
        raise NotFound(f"{repo} has no {quant}; there are: {_listed(found)}.", param="source")
    if len(fit) > 1:
        names = ", ".join(variant.name for variant in fit[:_SHOWN])
        raise InvalidRequest(
            f"{repo} has several models in {fit[0].quant or 'one kind'}: {names}. Name one: hf:{repo}:{fit[0].name}",
            param="source",
        )
    return _complete(fit[0], repo)


def variants(files: Iterable[RemoteFile]) -> list[Variant]:
    """Return the models of a listing, the smallest first."""
    groups: defaultdict[tuple[str, int], list[RemoteFile]] = defaultdict(list)
    for file in sorted(files, key=lambda file: file.path):
        folder, _, last = file.path.rpartition("/")
        if last.lower().endswith(SUFFIX) and not last.lower().startswith(_NO_MODELS):
            part = part_of(last)
            groups[f"{folder}/{part.name}", part.count].append(file)
    found = [_variant(path, group) for (path, _), group in groups.items()]
    return sorted(found, key=lambda variant: (variant.size, variant.name))


def _variant(path: str, files: Sequence[RemoteFile]) -> Variant:
    folder, _, name = path.rpartition("/")
    quants = _QUANT.findall(name) or _QUANT.findall(folder.rpartition("/")[2])
    return Variant(name, quants[-1].upper() if quants else "", tuple(files))


def _usual(found: Sequence[Variant]) -> list[Variant]:
    """Return the preferred one of a listing in order of size, with those that cannot be told from it."""
    for prefers in _PREFERRED:
        fit = [variant for variant in found if prefers(variant.quant.removeprefix("UD-"))]
        if fit:
            first = fit[0]
            return [variant for variant in fit if variant.quant and variant.quant == first.quant] or [first]
    return []


def _complete(variant: Variant, repo: str) -> Variant:
    parts = [part_of(file.path.rpartition("/")[2]) for file in variant.files]
    if [part.number for part in parts] != list(range(1, parts[0].count + 1)):
        raise NotFound(f"{repo} has {len(parts)} of the {parts[0].count} files of {variant.name}.", param="source")
    return variant


def _listed(found: Sequence[Variant]) -> str:
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(variant.label() for variant in found[:_SHOWN]) + more
