"""The command `mwaactl`: commands live in mwaactl/commands and are imported only when they are called."""

import importlib
import pkgutil

import click

import mwaactl.commands


class LazyGroup(click.Group):
    """Finds its commands in mwaactl/commands and imports one only when it is called or described."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in alphabetical order."""
        modules = pkgutil.iter_modules(mwaactl.commands.__path__)
        return sorted(m.name.replace("_", "-") for m in modules if not m.name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command called `cmd_name`, or None when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"mwaactl.commands.{name}"), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mwaa-dbt", prog_name="mwaactl")
def main() -> None:
    """dbt on Amazon MWAA with Cosmos: from a laptop to a release.

    Data goes to stdout, talk to stderr. Exit status: 0 done, 1 it failed (the message says what and what to do),
    2 the command line is wrong, 3 the local environment is not running, 130 interrupted.
    """
