"""llms: one local command that gives every OpenAI client a dependable stream from any model, cloud or local."""

__version__ = "0.1.0"
