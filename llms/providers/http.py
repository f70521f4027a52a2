"""What a provider of your own needs to speak HTTP as those of the house do.

`Endpoint` sends requests over the shared connections and turns what goes wrong into our errors, with no secret in
them; `Response` is read as the bytes arrive, so that nothing that came before a break is lost.
"""

from __future__ import annotations

from llms.providers._http import Endpoint, Response

__all__ = ["Endpoint", "Response"]
