"""Forms for tests of what is passed on."""

from __future__ import annotations

BOUNDARY = "b-42"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def field(name: str, value: bytes | str, *, filename: str = "") -> bytes:
    named = f'; filename="{filename}"' if filename else ""
    value = value.encode() if isinstance(value, str) else value
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def form(*fields: bytes) -> bytes:
    return b"".join(fields) + f"--{BOUNDARY}--\r\n".encode()
