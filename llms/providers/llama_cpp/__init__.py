"""Models that run on this machine through llama.cpp."""

from llms.providers.llama_cpp.options import ModelOptions, Options
from llms.providers.llama_cpp.provider import LlamaCpp

__all__ = ["LlamaCpp", "ModelOptions", "Options"]
