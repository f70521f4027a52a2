"""Floor 3: the time of streams and requests, and streams that outlive their connections.

`ticker.py` is the one timer, `deadline.py` the waits of a request, `lane.py` the way past the parser; `sessions.py`
keeps the generations of `session.py`.
"""
