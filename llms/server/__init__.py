"""Floor 5: HTTP. `routes.py` is the URL table; one handler file an endpoint; `access.py` is the front door."""
