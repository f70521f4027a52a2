"""Cut HTTP/1.1 messages out of network reads, for requests and for answers."""

CRLF = b"\r\n"
HEAD_END = b"\r\n\r\n"
LARGEST_HEAD = 65_536


class Message:
    """One HTTP message that arrives in pieces; feed it until `complete`.

    `start` is the first line, `headers` have names in lower case. A message without length has no body.
    """

    __slots__ = ("_buffer", "_chunked", "_left", "complete", "headers", "start")

    def __init__(self) -> None:
        self.start = b""
        self.headers: dict[bytes, bytes] = {}
        self.complete = False
        self._buffer = bytearray()
        self._chunked = False
        self._left = 0

    @property
    def rest(self) -> int:
        """Count the bytes that are not taken yet; once `complete`, those that don't belong to this message."""
        return len(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """Take one read and return the body's bytes in it; ValueError for broken framing."""
        if not self._buffer and len(data) <= self._left:  # the middle of a long body: spare the copies
            self._left -= len(data)
            self.complete = self._left == 0
            return data
        self._buffer += data
        if not self.start and not self._take_head():
            return b""
        return self._take_chunks() if self._chunked else self._take_sized()

    def _take_head(self) -> bool:
        end = self._buffer.find(HEAD_END)
        if end < 0:
            if len(self._buffer) > LARGEST_HEAD:
                raise ValueError(f"the head is longer than {LARGEST_HEAD} bytes")
            return False
        self.start, *lines = bytes(self._buffer[:end]).split(CRLF)
        del self._buffer[: end + len(HEAD_END)]
        for line in lines:
            name, _, value = line.partition(b":")
            self.headers[name.lower()] = value.strip()
        self._chunked = self.headers.get(b"transfer-encoding", b"").lower() == b"chunked"
        self._left = int(self.headers.get(b"content-length", b"0"))
        return True

    def _take_sized(self) -> bytes:
        body = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._left -= len(body)
        self.complete = self._left == 0
        return body

    def _take_chunks(self) -> bytes:
        """Take all HTTP chunks that are here as a whole."""
        buffer, taken, at = self._buffer, [], 0
        while not self.complete and (line_end := buffer.find(CRLF, at)) >= 0:
            size = int(buffer[at:line_end].partition(b";")[0], 16)
            end = line_end + 2 + size
            if len(buffer) < end + 2:
                break
            if buffer[end : end + 2] != CRLF:
                raise ValueError("an HTTP chunk is longer than it said")
            taken.append(buffer[line_end + 2 : end])
            self.complete = size == 0
            at = end + 2
        del buffer[:at]
        return b"".join(taken)


def http_chunk(body: bytes) -> bytes:
    """Frame `body` as one chunk of a chunked message."""
    return b"%x\r\n%b\r\n" % (len(body), body)


LAST_CHUNK = b"0\r\n\r\n"
