"""The client library: chats that a lost connection does not break. docs/CLIENT.md tells how it is used."""

from llms.client.answers import Reply, StreamingChunk
from llms.client.blocking import BlockingStream, Client
from llms.client.client import AsyncClient
from llms.client.errors import (
    AuthenticationFailed,
    ClientError,
    NotFound,
    RateLimited,
    Refused,
    ServerFailed,
    StreamBroken,
    StreamFailed,
    StreamLost,
    Unreachable,
)
from llms.client.patience import Patience
from llms.client.stream import ChatStream

__all__ = [
    "AsyncClient",
    "AuthenticationFailed",
    "BlockingStream",
    "ChatStream",
    "Client",
    "ClientError",
    "NotFound",
    "Patience",
    "RateLimited",
    "Refused",
    "Reply",
    "ServerFailed",
    "StreamBroken",
    "StreamFailed",
    "StreamLost",
    "StreamingChunk",
    "Unreachable",
]
