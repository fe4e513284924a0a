"""An expense that a person approves, with an escalation when nobody answers: see README.md."""
