"""A configuration of several providers behind one name."""

from __future__ import annotations

from llms.testing.fake_upstream import FakeUpstream


def several_upstreams(*upstreams: FakeUpstream, row: str = "", model: str = "", more: str = "") -> str:
    """Return providers a, b, … behind the name `m`, to be tried in this order; `row` is added to each of them."""
    extra = f", {row}" if row else ""
    names = "abcdefgh"[: len(upstreams)]
    rows = "".join(
        f'  {name}: {{type: openai_compatible, base_url: "{upstream.url}", api_key: sk-planted-{name}{extra}}}\n'
        for name, upstream in zip(names, upstreams, strict=True)
    )
    targets = ", ".join(f"{name}/real-{name}" for name in names)
    return f"providers:\n{rows}models:\n  m: {{targets: [{targets}]{', ' if model else ''}{model}}}\n{more}"
