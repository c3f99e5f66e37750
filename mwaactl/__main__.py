"""`python -m mwaactl` is `mwaactl`."""

from mwaactl.cli import main

main(prog_name="mwaactl")
