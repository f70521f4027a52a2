"""The error boundary of the command line: every failure becomes one line and an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Final, NoReturn

import click

from llms.cli.output import mute

_INTERRUPTED: Final = 130
_LONGEST: Final = 500


def run(command: click.Command) -> NoReturn:
    """Run a command on this process's arguments and exit: 0 done, 1 failed, 2 called wrongly, 130 on Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A model may say what the terminal's encoding lacks.
            stream.reconfigure(errors="replace")
    sys.exit(_flushed(outcome(lambda: command.main(standalone_mode=False))))


def outcome(work: Callable[[], object]) -> int:
    """Do some work and return the exit code of how it ended; what went wrong is said on stderr."""
    try:
        code = work()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except click.ClickException as error:
        _tell(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except Exception as failure:
        if os.environ.get("LLMS_DEBUG"):
            raise
        print(_words(failure), file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0


def _tell(error: click.ClickException) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" See {context.command_path} --help" if context is not None else ""
    print(f"{error.format_message()}{hint}", file=sys.stderr)


def _words(failure: Exception) -> str:
    """Say in a line what nobody foresaw; the message may hold a secret and is masked."""
    if isinstance(failure, OSError) and failure.strerror:
        return f"{failure.filename}: {failure.strerror}." if failure.filename else f"{failure.strerror}."
    from llms.config.masking import mask_text

    words = mask_text(" ".join(str(failure).split()))[:_LONGEST]
    place = traceback.extract_tb(failure.__traceback__)[-1]
    return (
        f"This is a defect of llms: {type(failure).__name__}: {words} "
        f"({os.path.basename(place.filename)}:{place.lineno}). LLMS_DEBUG=1 shows where it comes from."
    )


def _flushed(code: int) -> int:
    """Write out what is buffered: at exit Python would complain of a closed pipe by itself."""
    try:
        sys.stdout.flush()
    except OSError as failure:
        if not isinstance(failure, BrokenPipeError):
            print(f"The output could not be written: {failure.strerror}.", file=sys.stderr)
        mute()
        return code or 1
    return code
