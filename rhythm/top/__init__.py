"""The live view of a namespace in the terminal: what waits, who works, and what failed of late."""

from rhythm.top.reading import Failure, Reading, read
from rhythm.top.screen import Top

__all__ = ["Failure", "Reading", "Top", "read"]
