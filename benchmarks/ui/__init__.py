"""How smoothly the web chat shows a long, fast answer in a real browser."""
