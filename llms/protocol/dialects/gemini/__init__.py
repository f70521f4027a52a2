"""Google's Gemini API: chats become `generateContent` requests, and what comes back becomes chunks.

Pure, as all dialects. The shapes are those of Google's public pages, each named where it is used: "Generating content",
"Embeddings", "Models" (API reference), "Function calling", "Thinking", "Thought signatures", "Structured outputs",
"File input methods", "OpenAI compatibility", "Troubleshooting guide".
"""

from __future__ import annotations

from llms.protocol.dialects.gemini.answer import Answer
from llms.protocol.dialects.gemini.embeddings import embed_requests, read_embeddings
from llms.protocol.dialects.gemini.errors import error_of
from llms.protocol.dialects.gemini.listing import next_page, read_models
from llms.protocol.dialects.gemini.naming import resource
from llms.protocol.dialects.gemini.reader import AnswerReader
from llms.protocol.dialects.gemini.request import generate_content

__all__ = [
    "Answer",
    "AnswerReader",
    "embed_requests",
    "error_of",
    "generate_content",
    "next_page",
    "read_embeddings",
    "read_models",
    "resource",
]
