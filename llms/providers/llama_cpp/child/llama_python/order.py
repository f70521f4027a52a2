"""What is to be written: a request's body, with everything that can be known before the model begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from llms.providers.llama_cpp.child.answer.forced_call import ForcedCall
from llms.providers.llama_cpp.child.answer.interpretation import Interpretation
from llms.providers.llama_cpp.child.answer.reasoning import closing, open_tag
from llms.providers.llama_cpp.child.answer.tool_calls import CallFinder
from llms.providers.llama_cpp.child.grammars.constraint import Form, form_of, may_call, must_call
from llms.providers.llama_cpp.child.llama_python.chat_template import ChatTemplate
from llms.providers.llama_cpp.child.llama_python.vocabulary import Vocabulary
from llms.providers.llama_cpp.child.llama_python.wishes import Wishes


@final
@dataclass(frozen=True, slots=True)
class Order:
    """One answer to be written."""

    prompt: list[int]
    limit: int | None
    """Tokens of the answer at most."""
    wishes: Wishes
    form: Form | None
    interpretation: Interpretation
    exactly: bool
    """The same request shall get the same answer, whatever was evaluated before it."""
    one_call: bool
    """The answer is over after the first call that is found in it."""
    logprobs: int | None
    """How many alternatives to tell of each token; None is not even the token's own likelihood."""


@final
@dataclass(frozen=True, slots=True)
class Customs:
    """What a model's file says of how to talk with it."""

    template: ChatTemplate
    tool_template: ChatTemplate
    """Some files have one of its own for conversations with tools."""
    vocabulary: Vocabulary
    metadata: Mapping[str, str]
    stops: tuple[str, ...] = ()
    """What ends an answer beside the model's own tokens."""

    def order(self, body: Mapping[str, Any], *, seed: Callable[[], int]) -> Order:
        """Read a request's body; raise ValueError for what this model cannot be asked."""
        form = form_of(body)
        tools = body["tools"] if may_call(body) else []
        template = self.tool_template if tools else self.template
        text = template.prompt(body["messages"], tools, body.get("chat_template_kwargs", {}))
        tag = open_tag(text)
        if tag and form is not None:
            # What has a form leaves no room for thoughts.
            text, tag = f"{text.rstrip()}\n\n{closing(tag)}\n\n", None
        tokens = self.vocabulary.prompt(text)
        if not tokens:
            raise ValueError("`messages` come to an empty prompt")
        names = [tool["function"]["name"] for tool in tools]
        calls = ForcedCall() if must_call(body) else CallFinder(names) if names else None
        return Order(
            prompt=tokens,
            limit=body.get("max_tokens"),
            wishes=Wishes.of(body, self.metadata, seed=seed),
            form=form,
            interpretation=Interpretation(stops=[*self.stops, *body.get("stop", ())], tag=tag, calls=calls),
            exactly="seed" in body,
            one_call=body.get("parallel_tool_calls") is False and not must_call(body),
            logprobs=body.get("top_logprobs", 0) if body.get("logprobs") else None,
        )
