"""Tasks: Python functions that workflows call, and what they get from their worker."""

from rhythm.tasks.asking import Retry
from rhythm.tasks.context import TaskContext
from rhythm.tasks.decorator import task
from rhythm.tasks.definition import Parameter, TaskDefinition
from rhythm.tasks.registration import TaskRegistry, registry
from rhythm.tasks.resources import Provided, Resources, open_resources, require_resources

__all__ = [
    "Parameter",
    "Provided",
    "Resources",
    "Retry",
    "TaskContext",
    "TaskDefinition",
    "TaskRegistry",
    "open_resources",
    "registry",
    "require_resources",
    "task",
]
