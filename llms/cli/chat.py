"""`llms chat`: chat in the terminal."""

from __future__ import annotations

import click

from llms.cli.verb import Verb


@click.command(cls=Verb)
@click.argument("prompt", nargs=-1)
@click.option("-m", "--model", help="The model to ask; by default the first that is there.")
@click.option("-s", "--system", metavar="TEXT", help="What the model is told first.")
@click.option("--image", "images", multiple=True, metavar="FILE", help="Send a picture along; may be repeated.")
@click.option("--file", "files", multiple=True, metavar="FILE", help="Send a text file along; may be repeated.")
@click.option("--no-stream", is_flag=True, help="Wait for the whole answer.")
@click.option("--stats", is_flag=True, help="Tell tokens and times on stderr.")
@click.option("--url", help="The server to ask, such as http://127.0.0.1:8000 (or LLMS_URL).")
@click.option("--key", help="The key for that server (better: LLMS_API_KEY).")
@click.option("--config", metavar="FILE", help="Ask in this process, with this providers.yaml.")
def chat(
    prompt: tuple[str, ...],
    model: str | None,
    system: str | None,
    images: tuple[str, ...],
    files: tuple[str, ...],
    no_stream: bool,
    stats: bool,
    url: str | None,
    key: str | None,
    config: str | None,
) -> None:
    """Ask PROMPT once, or chat interactively without one. Piped text is added to the prompt.

    A server that runs on this machine is asked (LLMS_URL, OPENAI_BASE_URL, or port 8000); without one the
    question is answered in this process, by the providers that `llms serve` would have.

    \b
    Examples:
      llms chat
      llms chat -m local/demo "Once upon a time"
      git diff | llms chat -s "You write commit messages." --stats
      llms chat --image photo.jpg "What is this?"
    """
    from llms.cli.asking import Question, ask
    from llms.cli.whom import Wish

    ask(
        Question(" ".join(prompt), images=images, files=files),
        wish=Wish(url, key, config),
        model=model,
        system=system,
        stream=not no_stream,
        stats=stats,
    )
