"""Requests that are no proper HTTP, or hardly, by what becomes of them: one table for every way into the server.

An outcome is what the client reads up to the end of the connection: a status and the code of its error an answer, and
last `ALIVE` where the connection took another request afterwards. As many requests reach the upstream as are answered
with 200.
"""

from __future__ import annotations

from typing import Final

from tests.server.wire import CHUNKED, LENGTH, PROMPT, get, post

ALIVE: Final = "alive"
N: Final = len(PROMPT)
WHOLE_CHUNK: Final = b"%x\r\n%b\r\n0\r\n\r\n" % (N, PROMPT)
GOOD: Final = post(LENGTH, body=PROMPT)
SMUGGLED: Final = GOOD
"""What an attacker wants to be taken for a request of its own."""
PATH: Final = b"/v1/chat/completions"
CLOSE: Final = b"Connection: close"
H2C: Final = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__")
WEBSOCKET: Final = (b"Connection: Upgrade", b"Upgrade: websocket")
EXPECT: Final = b"Expect: 100-continue"


def chunked(body: bytes, *lines: bytes) -> bytes:
    """Return a POST with the bytes of its chunks as they are."""
    return post(CHUNKED, *lines, body=body)


def ended(end: bytes) -> bytes:
    """Return a POST in one chunk, with what stands behind it as it is."""
    return chunked(b"%x\r\n%b\r\n%b" % (N, PROMPT, end))


def old(request: bytes) -> bytes:
    """Return a request as HTTP/1.0."""
    return request.replace(b"HTTP/1.1", b"HTTP/1.0", 1)


MALFORMED: Final = {
    "length and chunks": post(b"Content-Length: 4", CHUNKED, body=b"0\r\n\r\n" + SMUGGLED),
    "chunks and length": post(CHUNKED, b"Content-Length: 4", body=b"0\r\n\r\n" + SMUGGLED),
    "chunks and the right length": post(CHUNKED, b"Content-Length: %d" % len(WHOLE_CHUNK), body=WHOLE_CHUNK),
    "chunks and length in HTTP/1.0": old(post(CHUNKED, LENGTH, body=WHOLE_CHUNK)),
    "coding: identity": post(b"Transfer-Encoding: identity", LENGTH, body=PROMPT),
    "coding: unknown": post(b"Transfer-Encoding: xchunked", body=WHOLE_CHUNK + SMUGGLED),
    "coding: unknown, with a length": post(b"Transfer-Encoding: x", LENGTH, body=PROMPT),
    "coding: chunked not last": post(b"Transfer-Encoding: chunked, identity", body=WHOLE_CHUNK + SMUGGLED),
    "coding: gzip first": post(b"Transfer-Encoding: gzip, chunked", body=WHOLE_CHUNK),
    "coding: gzip in a line before": post(b"Transfer-Encoding: gzip", CHUNKED, body=WHOLE_CHUNK),
    "coding: another line": post(CHUNKED, b"Transfer-Encoding: identity", body=WHOLE_CHUNK + SMUGGLED),
    "coding: chunked in two lines": post(CHUNKED, CHUNKED, body=WHOLE_CHUNK),
    "coding: chunked twice": post(b"Transfer-Encoding: chunked, chunked", body=WHOLE_CHUNK),
    "coding: with a parameter": post(b"Transfer-Encoding: chunked;q=1", body=WHOLE_CHUNK),
    "coding: comma behind": post(b"Transfer-Encoding: chunked,", body=WHOLE_CHUNK),
    "coding: comma before": post(b"Transfer-Encoding: ,chunked", body=WHOLE_CHUNK),
    "coding: tab behind": post(b"Transfer-Encoding: chunked\t", body=WHOLE_CHUNK),
    "coding: NUL behind": post(b"Transfer-Encoding: chunked\0", body=WHOLE_CHUNK),
    "coding: space before the colon": post(b"Transfer-Encoding : chunked", body=WHOLE_CHUNK),
    "coding: vertical tab": post(b"Transfer-Encoding:\x0bchunked", body=WHOLE_CHUNK),
    "coding: quoted": post(b'Transfer-Encoding: "chunked"', body=WHOLE_CHUNK),
    "coding: empty": post(b"Transfer-Encoding:", LENGTH, body=PROMPT),
    "coding: folded": post(b"Transfer-Encoding:\r\n chunked", body=WHOLE_CHUNK),
    "coding: folded, with a length": post(b"Transfer-Encoding:\r\n chunked", LENGTH, body=PROMPT),
    "coding: behind a line feed": post(b"X-A: a\nTransfer-Encoding: chunked", LENGTH, body=PROMPT),
    "length: none": post(body=PROMPT),
    "length: one too few": post(b"Content-Length: %d" % (N - 1), body=PROMPT),
    "length: bytes behind": GOOD + b"XX",
    "length: negative": post(b"Content-Length: -1", body=PROMPT),
    "length: plus": post(b"Content-Length: +%d" % N, body=PROMPT),
    "length: hexadecimal": post(b"Content-Length: 0x10", body=PROMPT),
    "length: fraction": post(b"Content-Length: 5.0", body=PROMPT),
    "length: exponent": post(b"Content-Length: 1e2", body=PROMPT),
    "length: underscore": post(b"Content-Length: 1_0", body=PROMPT),
    "length: space inside": post(b"Content-Length: 1 0", body=PROMPT),
    "length: semicolon": post(b"Content-Length: %d;" % N, body=PROMPT),
    "length: NUL behind": post(b"Content-Length: %d\0" % N, body=PROMPT),
    "length: vertical tab": post(b"Content-Length: \x0b%d" % N, body=PROMPT),
    "length: space before the colon": post(b"Content-Length : %d" % N, body=PROMPT),
    "length: other digits": post("Content-Length: ٥".encode(), body=PROMPT),
    "length: empty": post(b"Content-Length: ", body=PROMPT),
    "length: list": post(b"Content-Length: %d, %d" % (N, N), body=PROMPT),
    "length: twice the same": post(LENGTH, LENGTH, body=PROMPT),
    "length: twice different": post(b"Content-Length: 5", LENGTH, body=PROMPT + SMUGGLED),
    "length: 2^64": post(b"Content-Length: %d" % 2**64, body=PROMPT),
    "length: 2^64 too many": post(b"Content-Length: %d" % (2**64 + N), body=PROMPT),
    "length: beyond 64 bits": post(b"Content-Length: 99999999999999999999999", body=PROMPT),
    "chunk: no digit": chunked(b"zz\r\n" + WHOLE_CHUNK),
    "chunk: negative": chunked(b"-1\r\n" + WHOLE_CHUNK),
    "chunk: plus": chunked(b"+" + WHOLE_CHUNK),
    "chunk: 0x": chunked(b"0x" + WHOLE_CHUNK),
    "chunk: underscore": chunked(b"1_0\r\n%b\r\n0\r\n\r\n" % PROMPT),
    "chunk: minus nothing": ended(b"-0\r\n\r\n"),
    "chunk: 2^64 too many": chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (2**64 + N, PROMPT)),
    "chunk: beyond 64 bits": chunked(b"fffffffffffffffff\r\n" + WHOLE_CHUNK),
    "chunk: space before": chunked(b" " + WHOLE_CHUNK),
    "chunk: space behind": chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
    "chunk: tab behind": chunked(b"3\t\r\nabc\r\n0\r\n\r\n"),
    "chunk: more than said": chunked(b"2\r\nabc\r\n0\r\n\r\n" + SMUGGLED),
    "chunk: less than said": chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (N + 1, PROMPT)),
    "chunk: no line between": ended(b"")[:-2] + b"0\r\n\r\n",
    "chunk: no size": chunked(b"\r\n" + WHOLE_CHUNK),
    "chunk: line feed behind the size": chunked(b"%x\n%b\r\n0\r\n\r\n" % (N, PROMPT)),
    "chunk: line feed behind the data": chunked(b"%x\r\n%b\n0\r\n\r\n" % (N, PROMPT)),
    "chunk: line feed behind the last size": ended(b"0\n\r\n"),
    "chunk: line feed at the end": ended(b"0\r\n\n"),
    "chunk: line feeds alone": chunked(WHOLE_CHUNK.replace(b"\r\n", b"\n")),
    "chunk: return behind the size": chunked(b"%x\r%b\r\n0\r\n\r\n" % (N, PROMPT)),
    "extension: spaces": chunked(b"%x ; a=b\r\n%b\r\n0\r\n\r\n" % (N, PROMPT)),
    "extension: line feed": chunked(b"%x;a\nb\r\n%b\r\n0\r\n\r\n" % (N, PROMPT)),
    "extension: NUL": chunked(b"%x;a\0b\r\n%b\r\n0\r\n\r\n" % (N, PROMPT)),
    "extension: open quote": chunked(b'%x;a="\r\n%b\r\n0\r\n\r\n' % (N, PROMPT)),
    "trailer: a length": ended(b"0\r\nContent-Length: 5\r\n\r\n"),
    "trailer: a coding": ended(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "trailer: no colon": ended(b"0\r\nno colon\r\n\r\n"),
    "trailer: NUL": ended(b"0\r\nX-A: a\0\r\n\r\n"),
    "trailer: line feed": ended(b"0\r\nX-A: a\n\r\n"),
    "trailer: folded": ended(b"0\r\nX-A: a\r\n b\r\n\r\n"),
    "line feeds alone": GOOD.replace(b"\r\n", b"\n"),
    "line feed behind the first line": GOOD.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n"),
    "line feed behind a header": post(b"X-A: a\nX-B: b", LENGTH, body=PROMPT),
    "line feed at the head's end": post(LENGTH)[:-2] + b"\n" + PROMPT,
    "return at the head's end": post(LENGTH)[:-2] + b"\r" + PROMPT,
    "returns alone": b"GET /health HTTP/1.1\rHost: localhost\r\r",
    "two returns": post(b"X-A: a\r", LENGTH, body=PROMPT),
    "NUL in a value": post(b"X-A: a\0b", LENGTH, body=PROMPT),
    "NUL in a name": post(b"X\0A: a", LENGTH, body=PROMPT),
    "NUL before all": b"\0" + GOOD,
    "control character in a value": post(b"X-A: a\x01b", LENGTH, body=PROMPT),
    "delete in a value": post(b"X-A: a\x7fb", LENGTH, body=PROMPT),
    "return in a value": post(b"X-A: a\rX-B: b", LENGTH, body=PROMPT),
    "high byte in a name": post(b"X-\xff: a", LENGTH, body=PROMPT),
    "brackets in a name": post(b"X(A): a", LENGTH, body=PROMPT),
    "folded line": post(b"X-A: a\r\n b", LENGTH, body=PROMPT),
    "line folded with a tab": post(b"X-A: a\r\n\tb", LENGTH, body=PROMPT),
    "folded first line": b"GET /health HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "no colon": post(b"Nonsense", LENGTH, body=PROMPT),
    "no name": post(b": value", LENGTH, body=PROMPT),
    "space in a name": post(b"X A: value", LENGTH, body=PROMPT),
    "space before a colon": post(b"X-A : value", LENGTH, body=PROMPT),
    "tab before a colon": post(b"X-A\t: value", LENGTH, body=PROMPT),
    "two types": post(b"Content-Type: text/plain", LENGTH, body=PROMPT),
    "no host": post(LENGTH, body=PROMPT, host=()),
    "two hosts": post(LENGTH, body=PROMPT, host=(b"localhost", b"evil.example")),
    "two equal hosts": post(LENGTH, body=PROMPT, host=(b"localhost", b"localhost")),
    "no method": b" /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no version": b"GET /health\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/1.11": b"GET /health HTTP/1.11\r\nHost: localhost\r\n\r\n",
    "HTTP/2.0": b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "http/1.1": b"GET /health http/1.1\r\nHost: localhost\r\n\r\n",
    "another protocol": b"GET /health ICY/1.1\r\nHost: localhost\r\n\r\n",
    "an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "tabs between": b"GET\t/health\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
    "space behind the version": GOOD.replace(b"HTTP/1.1\r\n", b"HTTP/1.1 \r\n"),
    "space before all": b" " + GOOD,
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "space in the path": get(b"/health evil"),
    "small method": get(b"/health", method=b"get"),
    "unknown method": get(b"/health", method=b"FROB"),
    "endless method": get(b"/health", method=b"G" * 100_000),
    "bytes in the path": get(b"/h\xff\xfe"),
    "NUL in the path": get(b"/\0"),
    "no slash before the path": post(LENGTH, body=PROMPT, path=PATH[1:]),
    "an authority": get(b"evil.example:443", method=b"CONNECT"),
    "CONNECT with a body": post(LENGTH, body=PROMPT).replace(b"POST " + PATH, b"CONNECT localhost:80"),
    "CONNECT to a path": post(LENGTH, body=PROMPT).replace(b"POST", b"CONNECT"),
    "an asterisk": get(b"*"),
    "a file": get(b"file:///etc/passwd"),
    "an address that is none": get(b"http://[/health"),
    "an address with an endless port": get(b"http://localhost:99999999/health"),
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "every byte": bytes(range(256)) * 8,
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
}

TOO_LARGE: Final = {
    "a header of 9 KB": post(b"X-A: " + b"a" * 9_000, LENGTH, body=PROMPT),
    "a header of 256 KB": post(b"X-A: " + b"a" * 262_144, LENGTH, body=PROMPT),
    "a header name of 128 KB": post(b"a" * 131_072 + b": 1", LENGTH, body=PROMPT),
    "130 headers": post(*(b"X-%d: a" % i for i in range(130)), LENGTH, body=PROMPT),
    "5000 headers": post(*(b"X-%d: a" % i for i in range(5_000)), LENGTH, body=PROMPT),
    "a path of 128 KB": post(LENGTH, body=PROMPT, path=b"/" + b"a" * 131_072),
    "a query of 9 KB": post(LENGTH, body=PROMPT, path=PATH + b"?" + b"a" * 9_000),
    "a query of 128 KB": post(LENGTH, body=PROMPT, path=PATH + b"?" + b"a" * 131_072),
    "a trailer of 20 KB": ended(b"0\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n"),
    "1000 trailers": ended(b"0\r\n" + b"X-A: a\r\n" * 1_000 + b"\r\n"),
}

LEGAL: Final = {
    "as usual": GOOD,
    "small letters": post(b"content-length: %d" % N, body=PROMPT),
    "a length with zeros": post(b"Content-Length: 000%d" % N, body=PROMPT),
    "blanks around a value": post(b"Content-Length: \t %d  " % N, body=PROMPT),
    "names with underscores": post(b"Transfer_Encoding: chunked", b"Content_Length: 3", LENGTH, body=PROMPT),
    "no type": GOOD.replace(b"Content-Type: application/json\r\n", b""),
    "tab in a value": post(b"X-A: a\tb", LENGTH, body=PROMPT),
    "high bytes in a value": post(b"X-A: \xff\xfe", LENGTH, body=PROMPT),
    "an empty value": post(b"X-A:", LENGTH, body=PROMPT),
    "two keys": post(b"Authorization: Bearer a", b"Authorization: Bearer b", LENGTH, body=PROMPT),
    "a hop named like the length": post(b"Connection: content-length", LENGTH, body=PROMPT),
    "100 headers": post(*(b"X-%d: a" % i for i in range(100)), LENGTH, body=PROMPT),
    "a header of 8 KB": post(b"X-A: " + b"a" * 8_000, LENGTH, body=PROMPT),
    "60 headers of 8 KB": post(*[b"X-A: " + b"a" * 8_000] * 60, LENGTH, body=PROMPT),
    "a query of 8 KB": post(LENGTH, body=PROMPT, path=PATH + b"?" + b"a" * 8_000),
    "empty line before": b"\r\n" + GOOD,
    "line feed before": b"\n" + GOOD,
    "return before": b"\r" + GOOD,
    "50000 empty lines before": b"\r\n" * 50_000 + GOOD,
    "two spaces before the path": GOOD.replace(b"POST /", b"POST  /"),
    "two spaces before the version": GOOD.replace(b" HTTP/1.1", b"  HTTP/1.1"),
    "a host with a port": post(LENGTH, body=PROMPT, host=(b"localhost:8000",)),
    "our own address": post(LENGTH, body=PROMPT, path=b"http://localhost:8000" + PATH),
    "our own secure address": post(LENGTH, body=PROMPT, path=b"https://localhost" + PATH),
    "our own address, by another name": post(
        LENGTH, body=PROMPT, path=b"http://localhost" + PATH, host=(b"127.0.0.1",)
    ),
    "a query": post(LENGTH, body=PROMPT, path=PATH + b"?a=b"),
    "a fragment": post(LENGTH, body=PROMPT, path=PATH + b"#a"),
    "an escaped letter": post(LENGTH, body=PROMPT, path=b"/v1/%63hat/completions"),
    "another method in a header": post(b"X-HTTP-Method-Override: DELETE", LENGTH, body=PROMPT),
    "HTTP/1.0 that stays": old(post(LENGTH, b"Connection: keep-alive", body=PROMPT)),
    "an upgrade to nothing": post(b"Connection: Upgrade", LENGTH, body=PROMPT),
    "an expectation after the fact": post(EXPECT, LENGTH, body=PROMPT),
    "an expectation in capitals": post(b"EXPECT: 100-CONTINUE", LENGTH, body=PROMPT),
}

LEGAL_AND_LAST: Final = {
    "chunks": chunked(WHOLE_CHUNK),
    "chunks in capitals": post(b"TRANSFER-ENCODING: CHUNKED", body=WHOLE_CHUNK),
    "chunks behind a tab": post(b"Transfer-Encoding:\tchunked", body=WHOLE_CHUNK),
    "chunks and a space": post(b"Transfer-Encoding: chunked ", body=WHOLE_CHUNK),
    "chunks of one byte": chunked(b"".join(b"1\r\n%c\r\n" % byte for byte in PROMPT) + b"0\r\n\r\n"),
    "chunk: capitals": chunked(b"%X\r\n%b\r\n0\r\n\r\n" % (N, PROMPT)),
    "chunk: zeros before": chunked(b"0" * 100 + b"%x\r\n%b\r\n000\r\n\r\n" % (N, PROMPT)),
    "extension": chunked(b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (N, PROMPT)),
    "extension: quoted": chunked(b'%x;a="b;c"\r\n%b\r\n0;d\r\n\r\n' % (N, PROMPT)),
    "extension of 20 KB": chunked(b"%x;a=%b\r\n%b\r\n0\r\n\r\n" % (N, b"b" * 20_000, PROMPT)),
    "trailer: a host": ended(b"0\r\nHost: evil.example\r\n\r\n"),
    "trailer: a key": ended(b"0\r\nAuthorization: Bearer evil\r\n\r\n"),
    "trailer: a type": ended(b"0\r\nContent-Type: text/plain\r\n\r\n"),
    "chunks and a request behind": chunked(WHOLE_CHUNK) + SMUGGLED,
    "close": post(LENGTH, CLOSE, body=PROMPT),
    "close in capitals": post(LENGTH, b"CONNECTION: CLOSE", body=PROMPT),
    "keep-alive and close": post(LENGTH, b"Connection: keep-alive, close", body=PROMPT),
    "keep-alive and close in two lines": post(LENGTH, b"Connection: keep-alive", CLOSE, body=PROMPT),
    "chunks and close": chunked(WHOLE_CHUNK, CLOSE),
    "HTTP/1.0": old(GOOD),
    "HTTP/1.0 with chunks": old(chunked(WHOLE_CHUNK)),
    "HTTP/1.0 with chunks that stays": old(chunked(WHOLE_CHUNK, b"Connection: keep-alive")),
    "HTTP/1.0 with an expectation": old(post(EXPECT, LENGTH, body=PROMPT)),
    "an upgrade to HTTP/2": post(*H2C, LENGTH, body=PROMPT),
    "an upgrade to HTTP/2 and bytes behind": post(*H2C, LENGTH, body=PROMPT) + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an upgrade to HTTP/2 and a request behind": post(*H2C, LENGTH, body=PROMPT) + SMUGGLED,
    "an upgrade to HTTP/2 in chunks": post(*H2C, CHUNKED, body=WHOLE_CHUNK),
    "an upgrade without a connection": post(b"Upgrade: h2c", LENGTH, body=PROMPT),
    "an upgrade to a WebSocket": post(*WEBSOCKET, LENGTH, body=PROMPT),
    "an upgrade to a WebSocket and a request behind": post(*WEBSOCKET, LENGTH, body=PROMPT) + SMUGGLED,
}

HOSTS: Final = {
    "a host with an odd port": post(LENGTH, body=PROMPT, host=(b"localhost:x",)),
    "a host with a space": post(LENGTH, body=PROMPT, host=(b"local host",)),
    "a host behind a user": post(LENGTH, body=PROMPT, host=(b"a@localhost",)),
    "two hosts in a line": post(LENGTH, body=PROMPT, host=(b"localhost, evil.example",)),
    "an empty host": post(LENGTH, body=PROMPT, host=(b"",)),
    "a foreign address": post(LENGTH, body=PROMPT, path=b"http://evil.example" + PATH),
    "a foreign address behind a user": post(LENGTH, body=PROMPT, path=b"http://localhost@evil.example" + PATH),
    "our address for a foreign host": post(
        LENGTH, body=PROMPT, path=b"http://localhost" + PATH, host=(b"evil.example",)
    ),
}

PATHS: Final = {
    "an escaped slash": post(LENGTH, body=PROMPT, path=b"/v1/chat%2Fcompletions"),
    "half an escape": post(LENGTH, body=PROMPT, path=PATH + b"%"),
    "dots": post(LENGTH, body=PROMPT, path=b"/v1/x/../chat/completions"),
    "two slashes": post(LENGTH, body=PROMPT, path=b"/" + PATH),
    "two slashes and a host": post(LENGTH, body=PROMPT, path=b"//evil.example" + PATH),
    "a slash behind": post(LENGTH, body=PROMPT, path=PATH + b"/"),
}

METHODS: Final = {name.decode(): GOOD.replace(b"POST", name, 1) for name in (b"GET", b"PUT", b"TRACE", b"QUERY")}

SEVERAL: Final = {
    "two": GOOD * 2,
    "two with an empty line between": GOOD + b"\r\n" + GOOD,
}

CASES: Final[dict[tuple[str, ...], dict[str, bytes]]] = {
    ("400 invalid_http",): MALFORMED,
    ("431 headers_too_large",): TOO_LARGE,
    ("413 request_too_large",): {
        "length: beyond the limit": post(b"Content-Length: 999999999999", body=PROMPT),
        "length: 2^63": post(b"Content-Length: %d" % 2**63, body=PROMPT),
    },
    ("417 invalid_http",): {
        "an unknown expectation": post(b"Expect: miracles", LENGTH, body=PROMPT),
        "an unknown expectation beside": post(b"Expect: 100-continue, miracles", LENGTH, body=PROMPT),
        "an unknown expectation and a request behind": post(b"Expect: miracles", LENGTH, body=PROMPT + SMUGGLED),
        "an empty expectation": post(b"Expect:", LENGTH, body=PROMPT),
    },
    ("403 host_not_allowed",): {"HTTP/1.0 without a host": old(post(LENGTH, body=PROMPT, host=()))},
    ("403 host_not_allowed", ALIVE): HOSTS,
    ("404 not_found", ALIVE): PATHS,
    ("405 method_not_allowed", ALIVE): METHODS,
    ("415 unsupported_media_type", ALIVE): {"a coding": post(b"Content-Encoding: gzip", LENGTH, body=PROMPT)},
    ("400 invalid_request", ALIVE): {"length: nothing": post(b"Content-Length: 0")},
    ("200", ALIVE): LEGAL,
    ("200",): LEGAL_AND_LAST,
    ("200", "200", ALIVE): SEVERAL,
    ("400 invalid_request", "200", ALIVE): {"no JSON, then a request": post(b"Content-Length: 3", body=b"{x}") + GOOD},
    ("404 not_found", "200", ALIVE): {"nowhere, then a request": post(LENGTH, body=PROMPT, path=b"/nowhere") + GOOD},
}

APART: Final[dict[str, tuple[str, ...]]] = {
    "length: none": ("400 invalid_request", "400 invalid_http"),
    "length: one too few": ("400 invalid_request", "400 invalid_http"),
    "length: bytes behind": ("200", "400 invalid_http"),
    "an expectation after the fact": ("100", "200", ALIVE),
    "an expectation in capitals": ("100", "200", ALIVE),
}
"""The outcomes of those to which it matters that what follows the head comes later."""
