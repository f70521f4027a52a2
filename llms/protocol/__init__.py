"""Floor 0, pure: what a chat, a chunk, an error and an event are. No asyncio, no aiohttp, no SDK."""
