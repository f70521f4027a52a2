"""OpenAI's legacy completions: prompts in, texts out."""
