"""Programs that show Rhythm at work; each folder has a README docstring, tasks and flows."""
