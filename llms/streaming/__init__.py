"""Floor 3: the time of streams and requests. `ticker.py` is the one timer, `deadline.py` the waits of a request."""
