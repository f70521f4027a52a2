"""Floor 3: upstreams. One file a dialect or transport; `base.py` is the seam, `registry.py` the table."""
