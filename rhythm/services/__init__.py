"""What an application asks of the engine: executions, schedules, signals, workflows, histories."""
