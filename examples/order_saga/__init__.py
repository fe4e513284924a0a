"""An order in three steps, each with what takes it back: see README.md."""
