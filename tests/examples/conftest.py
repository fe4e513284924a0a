"""The examples' tasks, in registries of their own.

They need their example's resources, and a worker refuses to start without what any of its tasks
needs: in the registry that all tests share they would be in every other worker's way.
"""

import importlib

import pytest

from rhythm.tasks import TaskRegistry


def _tasks_of(module: str) -> TaskRegistry:
    registry = TaskRegistry()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rhythm.tasks.decorator.registry", registry)
        importlib.import_module(module)
    return registry


_CENSUS = _tasks_of("examples.source_census.tasks")
_ONBOARDING = _tasks_of("examples.onboarding.tasks")


@pytest.fixture
def census_tasks() -> TaskRegistry:
    """The tasks of `examples/source_census`."""
    return _CENSUS


@pytest.fixture
def onboarding_tasks() -> TaskRegistry:
    """The tasks of `examples/onboarding`."""
    return _ONBOARDING


_SAGA = _tasks_of("examples.order_saga.tasks")
_APPROVAL = _tasks_of("examples.approval.tasks")
_REPORT = _tasks_of("examples.nightly_report.tasks")


@pytest.fixture
def saga_tasks() -> TaskRegistry:
    """The tasks of `examples/order_saga`."""
    return _SAGA


@pytest.fixture
def approval_tasks() -> TaskRegistry:
    """The tasks of `examples/approval`."""
    return _APPROVAL


@pytest.fixture
def report_tasks() -> TaskRegistry:
    """The tasks of `examples/nightly_report`."""
    return _REPORT
