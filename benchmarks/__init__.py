"""Measure what `llms serve` costs beside a raw byte relay and nginx: `python -m benchmarks`."""
