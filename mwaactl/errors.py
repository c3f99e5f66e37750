"""What the command line says when something can't be done."""

import click

# The exit statuses of every mwaactl command; `mwaactl --help` lists them.
FAILED = 1
NOT_RUNNING = 3
INTERRUPTED = 130


class Problem(click.ClickException):
    """An error a person can act on: what happened and where, then what to do next.

    `what` names the file, setting or command; `next_step` is a sentence that starts with a verb.
    """

    def __init__(self, what: str, next_step: str = "", exit_code: int = FAILED) -> None:
        super().__init__(f"{what}\n  -> {next_step}" if next_step else what)
        self.what = what
        self.next_step = next_step
        self.exit_code = exit_code  # type: ignore[misc]
