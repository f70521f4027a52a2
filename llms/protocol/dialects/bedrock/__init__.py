"""Amazon Bedrock's Converse API: chats become `Converse` requests, and what comes back becomes chunks.

Pure, as all dialects. The shapes are those of AWS's public pages "Converse", "ConverseStream", "ContentBlock" (Amazon
Bedrock API Reference), and of "Event stream encoding" for the frames of a stream.
"""

from __future__ import annotations

from llms.protocol.dialects.bedrock.answer import Answer
from llms.protocol.dialects.bedrock.errors import error_of
from llms.protocol.dialects.bedrock.reader import AnswerReader
from llms.protocol.dialects.bedrock.request import converse

__all__ = ["Answer", "AnswerReader", "converse", "error_of"]
