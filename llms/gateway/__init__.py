"""Floor 4: plan, try, commit at the first chunk. The only way from a request to an upstream."""

from llms.gateway.answer import Answer, Whole
from llms.gateway.fleet import Fleet, Member
from llms.gateway.gateway import Gateway

__all__ = ["Answer", "Fleet", "Gateway", "Member", "Whole"]
