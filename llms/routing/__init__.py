"""Floor 3, pure: which target answers a request, and which is tried after a failure. No asyncio, no I/O."""
