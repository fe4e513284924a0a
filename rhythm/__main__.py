"""`python -m rhythm` is the command line."""

from rhythm.cli import main

if __name__ == "__main__":  # processes that tasks start import this module too
    main(prog_name="python -m rhythm")
