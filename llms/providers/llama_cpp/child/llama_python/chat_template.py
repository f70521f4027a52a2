"""Chat templates: the Jinja program in a model's file that makes one prompt of a conversation.

It is a stranger's program, so it runs in a sandbox. Its surroundings are those that templates are written for: blocks
trimmed, `tojson` without escapes for HTML, `raise_exception`, `strftime_now`.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn, final

from llms.providers.llama_cpp.child.llama_python.conversation import plain, with_texts, with_tools_told, without_system

CHATML: Final = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""For files that have no template: plain, widely known, and no promise that the model learned it."""
CHATML_END: Final = "<|im_end|>"


@final
class ChatTemplate:
    """Render conversations."""

    def __init__(self, source: str, *, bos: str, eos: str, now: Callable[[], datetime] = datetime.now) -> None:
        """Take a template and the texts of two tokens that it may write; raise ValueError if it cannot be read."""
        jinja: Any = importlib.import_module("jinja2")
        sandbox: Any = importlib.import_module("jinja2.sandbox")
        environment = sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _generation_tag()]
        )
        environment.filters["tojson"] = _tojson
        environment.globals.update(
            raise_exception=_raise, strftime_now=lambda form: now().strftime(form), bos_token=bos, eos_token=eos
        )
        self._failures = (
            *(jinja.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError),
        )
        """What a template does when it meets a conversation that it was not written for."""
        try:
            self._template = environment.from_string(source)
            named = importlib.import_module("jinja2.meta").find_undeclared_variables(environment.parse(source))
        except jinja.TemplateError as failure:
            raise ValueError(f"its chat template cannot be read: {failure}") from None
        self.knows_tools = "tools" in named
        """Whether it tells the model of tools."""

    def prompt(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], values: Mapping[str, Any]
    ) -> str:
        """Return the prompt up to where the answer begins; `values` are for the template's own switches.

        Raises ValueError with the template's own words when it cannot make one.
        """
        failures = []
        for talk in self._ways(plain(messages), tools):
            given = {**values, "messages": talk, "tools": tools or None, "add_generation_prompt": True}
            try:
                return str(self._template.render(given))
            except self._failures as failure:
                failures.append(failure)
        raise ValueError(f"the model's chat template refuses these messages: {failures[0]}")

    def _ways(
        self, messages: list[dict[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> Iterator[Sequence[Mapping[str, Any]]]:
        """Yield the conversation in one form after the other, until the template takes one."""
        talk = messages if self.knows_tools else with_tools_told(messages, tools)
        yield talk
        if self.knows_tools:
            yield with_texts(talk)
        yield without_system(talk)


def _generation_tag() -> Any:
    """Return an extension for a tag that marks what a model is trained on; here it means nothing."""
    extension: Any = importlib.import_module("jinja2.ext").Extension

    def parse(self: Any, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return type("GenerationTag", (extension,), {"tags": {"generation"}, "parse": parse})


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> NoReturn:
    raise ValueError(message)
