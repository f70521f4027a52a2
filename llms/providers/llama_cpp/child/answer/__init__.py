"""What a model wrote, read piece by piece: text, thoughts, calls of tools, and where to stop. Pure."""
