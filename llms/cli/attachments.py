"""Files that go along with a prompt: pictures as data URLs, texts as parts of the message."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

_LARGEST_IMAGE: Final = 20 * 2**20
_LARGEST_TEXT: Final = 4 * 2**20
_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


class Unusable(Exception):
    """A file that cannot go along, with the reason and the fix."""


def content(prompt: str, *, images: Sequence[str], files: Sequence[str]) -> str | list[dict[str, Any]]:
    """Return the content of a user's message: the prompt alone, or parts; raise Unusable."""
    if not images and not files:
        return prompt
    return list(_parts(prompt, images, files))


def _parts(prompt: str, images: Sequence[str], files: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the texts first: what is asked about them is read last."""
    for name in files:
        yield {"type": "text", "text": f"{Path(name).name}:\n\n{_text(name)}"}
    for name in images:
        yield {"type": "image_url", "image_url": {"url": _data_url(name)}}
    if prompt:
        yield {"type": "text", "text": prompt}


def _text(name: str) -> str:
    raw = _read(name, limit=_LARGEST_TEXT)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable(f"{name} is not text in UTF-8. Convert it first, or use --image for a picture.") from None
    if "\0" in text:
        raise Unusable(f"{name} is not text: it holds NUL bytes.")
    return text


def _data_url(name: str) -> str:
    raw = _read(name, limit=_LARGEST_IMAGE)
    kind = next((kind for start, kind in _SIGNATURES if raw.startswith(start)), None)
    if kind is None and raw[:4] == b"RIFF" and raw[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None:
        raise Unusable(f"{name} is not a PNG, JPEG, GIF or WebP picture. Convert it first.")
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def _read(name: str, *, limit: int) -> bytes:
    """Read a regular file: a device or a pipe could go on for ever."""
    try:
        with os.fdopen(os.open(Path(name).expanduser(), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Unusable(f"{name} is not a regular file. Copy it into one first.")
            raw = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise Unusable(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(raw) > limit:
        raise Unusable(f"{name} is larger than {limit // 2**20} MiB. Send a smaller one.")
    return raw
