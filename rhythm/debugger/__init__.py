"""The debugger in the terminal: a history on a full screen, walked in both directions."""

from rhythm.debugger.screen import Debugger

__all__ = ["Debugger"]
