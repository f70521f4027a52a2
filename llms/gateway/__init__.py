"""Floor 4: plan, try, commit at the first chunk. The only way from a request to an upstream."""

from llms.gateway.answer import Whole
from llms.gateway.answering import Answering
from llms.gateway.fleet import Fleet, Member
from llms.gateway.gateway import Gateway

__all__ = ["Answering", "Fleet", "Gateway", "Member", "Whole"]
