"""What a model may write: grammars of JSON schemas and of calls. Pure."""
