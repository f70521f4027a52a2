"""Every error of the product.

LlmsError
├── RequestError               the client can mend it
│   ├── InvalidRequest             400 invalid_request
│   │   └── ContextLengthExceeded  400 context_length_exceeded
│   ├── AuthenticationFailed       401 invalid_api_key
│   ├── PermissionDenied           403 permission_denied, host_not_allowed, origin_not_allowed
│   ├── NotFound                   404 not_found
│   │   └── ModelNotFound          404 model_not_found
│   ├── MethodNotAllowed           405 method_not_allowed
│   ├── Conflict                   409 conflict
│   ├── ReplayExpired              410 replay_expired
│   ├── RequestTooLarge            413 request_too_large
│   ├── UnsupportedMediaType       415 unsupported_media_type
│   ├── HeadersTooLarge            431 headers_too_large
│   ├── RateLimited                429 rate_limit_exceeded
│   ├── BudgetExceeded             429 insufficient_quota
│   ├── QueueFull                  429 queue_full
│   ├── NotSupported               501 not_supported
│   └── LoopDetected               508 loop_detected
├── UpstreamError              502 upstream_error: the remote end failed
│   ├── UpstreamUnreachable        502 upstream_unreachable
│   ├── UpstreamAuthenticationFailed 502 upstream_authentication_failed
│   ├── UpstreamProtocolError      502 upstream_protocol_error
│   ├── UpstreamTruncated          502 upstream_truncated
│   ├── UpstreamTimeout            504 upstream_timeout
│   ├── UpstreamUnavailable        503 upstream_unavailable
│   │   └── UpstreamOutOfService       503 upstream_unavailable: until somebody mends it
│   ├── UpstreamOverloaded         429 or 503 upstream_overloaded
│   └── UpstreamRejected           the upstream's own 4xx, kept as it is
├── InternalError              500 internal_error: a defect of ours
└── Cancelled                  499 cancelled, abandoned: the client left
"""

from __future__ import annotations

from typing import Any, ClassVar

from llms.protocol.resuming import Resuming


class LlmsError(Exception):
    """Say what went wrong in words for the client; the class carries status, code and whether a retry can help."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"
    default_code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        status: int | None = None,
    ) -> None:
        """Keep `retry_after` in seconds; `status` overrides the class's where an upstream's own is kept."""
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.param = param
        self.retry_after = retry_after
        self.http_status = status or self.status
        self.upstream_request_id = ""
        self.attempts = 0
        self.provider = self.model = ""
        """How many attempts were made before the client got this error, and where the last one was."""
        self.resuming: Resuming | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive pickling between processes, keyword arguments included."""
        return (_rebuild, (type(self), self.message, self.__dict__.copy()))


def _rebuild(kind: type[LlmsError], message: str, state: dict[str, Any]) -> LlmsError:
    error = kind.__new__(kind, message)
    error.__dict__.update(state)
    return error


class RequestError(LlmsError):
    """The client sent something that it can mend."""

    status = 400
    type = "invalid_request_error"
    default_code = "invalid_request"


class InvalidRequest(RequestError):
    """The body or a header is wrong; `param` names the field."""


class ContextLengthExceeded(InvalidRequest):
    """The prompt does not fit the model's context window."""

    default_code = "context_length_exceeded"


class AuthenticationFailed(RequestError):
    """No key, or one that is not ours."""

    status = 401
    type = "authentication_error"
    default_code = "invalid_api_key"


class PermissionDenied(RequestError):
    """The caller is known but may not do this."""

    status = 403
    type = "permission_error"
    default_code = "permission_denied"


class NotFound(RequestError):
    """No such route or object."""

    status = 404
    default_code = "not_found"


class ModelNotFound(NotFound):
    """No target serves this model id."""

    default_code = "model_not_found"


class MethodNotAllowed(RequestError):
    """The route exists with other methods, which `allow` lists."""

    status = 405
    default_code = "method_not_allowed"
    allow = ""


class Conflict(RequestError):
    """The object is in a state that forbids this."""

    status = 409
    default_code = "conflict"


class ReplayExpired(RequestError):
    """The events asked for are no longer kept."""

    status = 410
    default_code = "replay_expired"


class RequestTooLarge(RequestError):
    """The body is over `server.max_body`."""

    status = 413
    default_code = "request_too_large"


class UnsupportedMediaType(RequestError):
    """The body is not plain JSON."""

    status = 415
    default_code = "unsupported_media_type"


class HeadersTooLarge(RequestError):
    """The request line or a header field is over the limit."""

    status = 431
    default_code = "headers_too_large"


class RateLimited(RequestError):
    """The key used up its requests or tokens for now."""

    status = 429
    type = "rate_limit_error"
    default_code = "rate_limit_exceeded"
    retryable = True


class BudgetExceeded(RequestError):
    """The key used up its money."""

    status = 429
    type = "insufficient_quota"
    default_code = "insufficient_quota"


class QueueFull(RequestError):
    """Too many requests already wait for this provider: `depth` of them."""

    status = 429
    type = "rate_limit_error"
    default_code = "queue_full"
    retryable = True
    depth = 0


class NotSupported(RequestError):
    """No target can do this."""

    status = 501
    default_code = "not_supported"


class LoopDetected(RequestError):
    """The request came back to us through our own upstreams."""

    status = 508
    type = "api_error"
    default_code = "loop_detected"


class UpstreamError(LlmsError):
    """The upstream failed; another attempt may do better."""

    status = 502
    default_code = "upstream_error"
    retryable = True


class UpstreamUnreachable(UpstreamError):
    """No connection, or it broke before the first chunk."""

    default_code = "upstream_unreachable"


class UpstreamAuthenticationFailed(UpstreamError):
    """The upstream refused our configured key: ours to mend, not the client's."""

    default_code = "upstream_authentication_failed"
    retryable = False


class UpstreamProtocolError(UpstreamError):
    """The upstream answered something that is not of its dialect."""

    default_code = "upstream_protocol_error"


class UpstreamTruncated(UpstreamError):
    """The upstream's stream ended without a finish reason."""

    default_code = "upstream_truncated"


class UpstreamTimeout(UpstreamError):
    """The upstream was silent for longer than configured."""

    status = 504
    default_code = "upstream_timeout"


class UpstreamUnavailable(UpstreamError):
    """The upstream, or every upstream of the plan, is out of order."""

    status = 503
    default_code = "upstream_unavailable"


class UpstreamOutOfService(UpstreamUnavailable):
    """The upstream cannot serve until somebody mends it: a library is missing, a model file is damaged or too large."""

    retryable = False


class UpstreamOverloaded(UpstreamError):
    """The upstream asks for patience (429, 503, 529)."""

    status = 503
    default_code = "upstream_overloaded"


class UpstreamRejected(UpstreamError):
    """The upstream's own 4xx; its status and code are kept."""

    status = 400
    type = "invalid_request_error"
    default_code = "invalid_request"
    retryable = False


class InternalError(LlmsError):
    """A defect of ours; the log has the cause."""


class Cancelled(LlmsError):
    """The client left before the end."""

    status = 499
    default_code = "cancelled"


def excerpt(value: object, limit: int = 200) -> str:
    """Return a value as text of at most `limit` characters, printable, for use inside a message."""
    text = value if isinstance(value, str) else repr(value)
    shown = "".join(c if c.isprintable() else "�" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
