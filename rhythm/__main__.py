"""`python -m rhythm` is the command line."""

from rhythm.cli import main

main(prog_name="python -m rhythm")
