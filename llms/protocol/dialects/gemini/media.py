"""Content parts as Gemini's parts: text, inline bytes, and links that Google fetches itself.

"File input methods" documents `inlineData` for bytes, and `fileData` for files of the Files API, public or signed
https links, registered gs:// objects and videos of YouTube. Nothing is fetched here: other links are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from llms.protocol.dialects.reading import data_url, refused

_FETCHED_BY_GOOGLE: Final = ("https://", "gs://")
_TYPES: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "mov": "video/mov",
    "webm": "video/webm",
}
"""By the ending of a link's path; the kinds that the pages on images, audio, video and documents name."""


def parts_of(content: object, where: str) -> list[dict[str, Any]]:
    """Return the parts of a message's content; raise InvalidRequest naming the part that Gemini cannot take."""
    if content is None:
        return []
    if isinstance(content, str):
        return [{"text": content}]
    return [_part(part, f"{where}[{place}]") for place, part in enumerate(_listed(content))]


def text_of(content: object, where: str) -> str:
    """Return content that has to be text alone."""
    parts = parts_of(content, where)
    for place, part in enumerate(parts):
        if "text" not in part:
            raise refused(f"{where}[{place}]", "must be text here")
    return "".join(part["text"] for part in parts)


def _listed(content: object) -> Sequence[Any]:
    return content if isinstance(content, list) else [content]


def _part(part: Any, where: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in ("text", "refusal"):
        return {"text": part[kind]}
    if kind in ("image_url", "video_url"):
        given = part.get(kind)
        return _located(given.get("url") if isinstance(given, dict) else given, f"{where}.{kind}.url")
    if kind == "input_audio":
        return _audio(part.get(kind), f"{where}.{kind}")
    if kind == "file":
        return _file(part.get(kind), f"{where}.{kind}")
    raise refused(f"{where}.type", "must be text, image_url, video_url, input_audio or file", kind)


def _audio(given: Any, where: str) -> dict[str, Any]:
    data, form = (given.get("data"), given.get("format")) if isinstance(given, dict) else (None, None)
    if not data or not form:
        raise refused(where, "needs `data` (base64) and `format` (wav or mp3)")
    return {"inlineData": {"mimeType": f"audio/{form}", "data": data}}


def _file(given: Any, where: str) -> dict[str, Any]:
    held = given if isinstance(given, dict) else {}
    if held.get("file_data"):
        return _located(held["file_data"], f"{where}.file_data")
    return _located(held.get("file_id"), f"{where}.file_id")


def _located(url: object, where: str) -> dict[str, Any]:
    """Return what stands at an address.

    This is the one place that decides about links. Were they to be fetched here instead of by Google, the provider
    would say so (`NeedsBytes`), and they would come as data: URLs.
    """
    if isinstance(url, str) and url.startswith("data:"):
        kind, data = data_url(url, where)
        return {"inlineData": {"mimeType": kind, "data": data}}
    if isinstance(url, str) and url.startswith(_FETCHED_BY_GOOGLE):
        ending = urlsplit(url).path.rpartition(".")[2].lower()
        known = {"mimeType": _TYPES[ending]} if ending in _TYPES else {}
        return {"fileData": {**known, "fileUri": url}}
    raise refused(where, "must be a data: URL, or an https:// or gs:// address that Google can fetch", url)
