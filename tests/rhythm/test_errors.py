"""What users catch: every error is data, and its sentence says what happened and what to do."""

import copy
import inspect
import pickle

import pytest

import flowlang
from rhythm import errors
from rhythm.errors import RhythmError

EXAMPLES: list[tuple[RhythmError, str]] = [
    (
        errors.ConfigurationError("lease is 0 s", "give at least 1 s"),
        "lease is 0 s; give at least 1 s",
    ),
    (errors.ConfigurationError("lease is 0 s"), "lease is 0 s"),
    (
        errors.MissingResource([("send", "Mailer"), ("charge", "Bank")], ["Database"]),
        "task 'send' needs Mailer, task 'charge' needs Bank, but the worker's resources give "
        "Database; yield {type: value} for it from the function given as resources",
    ),
    (
        errors.InvalidRequest("exec_type", "'job' is neither 'workflow' nor 'task'"),
        "exec_type: 'job' is neither 'workflow' nor 'task'",
    ),
    (
        errors.InvalidPayload("inputs.items[3].price", "a Decimal is not JSON; pass str(value)"),
        "inputs.items[3].price: a Decimal is not JSON; pass str(value)",
    ),
    (
        errors.PayloadTooLarge("inputs", 2_000_000, 1_048_576),
        "inputs: 2,000,000 bytes when encoded, at most 1,048,576 are allowed; keep large data "
        "elsewhere and pass a reference to it, or raise payload_limit",
    ),
    (
        errors.BlockingCall("rhythm.client.get_execution", "await app.get(…)"),
        "rhythm.client.get_execution() waits, and this thread runs an event loop, which would "
        "stand still; use await app.get(…), or call it from another thread (asyncio.to_thread)",
    ),
    (
        errors.WorkflowNotRegistered("onbord", ["onboard", "report"]),
        "no workflow 'onbord' is registered (did you mean 'onboard'?); known are: onboard, report",
    ),
    (
        errors.WorkflowNotRegistered("onboard"),
        "no workflow 'onboard' is registered; known are: none",
    ),
    (
        errors.TaskNotRegistered("sned", ["send"], "mail"),
        "no task 'sned' is known by any worker of queue 'mail' (did you mean 'send'?); "
        "known are: send",
    ),
    (
        errors.InvalidTaskInputs("charge", "amount", "expected int, got str"),
        "task 'charge', input 'amount': expected int, got str",
    ),
    (
        errors.InvalidWorkflowInputs("order", "inputs.items[3]", "must be of type object"),
        "workflow 'order', inputs.items[3]: must be of type object",
    ),
    (
        errors.ExecutionNotFound("exec_1"),
        "no execution 'exec_1'; check the id, the address and the namespace",
    ),
    (
        errors.ExecutionExists("order-7", ["target_name", "inputs"]),
        "execution 'order-7' exists already and differs in target_name and inputs; "
        "choose another id, or repeat the first request to get the first execution",
    ),
    (
        errors.ExecutionNotFinished("exec_1", "suspended"),
        "execution 'exec_1' has no result yet, it is suspended; "
        "wait_for_execution gives it when it is finished",
    ),
    (
        errors.ExecutionFinished("exec_1", "completed"),
        "execution 'exec_1' is completed and takes nothing any more",
    ),
    (
        errors.ExecutionFailed(
            "exec_1", "onboard", {"name": "TypeError", "message": "x is undefined", "line": 12}
        ),
        "execution 'exec_1' of 'onboard' failed: TypeError: x is undefined "
        "(line 12 of the workflow)",
    ),
    (
        errors.ExecutionFailed("exec_1", "onboard", {}),
        "execution 'exec_1' of 'onboard' failed: Error",
    ),
    (
        errors.ExecutionCancelled("exec_1", "onboard", "user left"),
        "execution 'exec_1' of 'onboard' was cancelled: user left",
    ),
    (
        errors.RunStuck("it waits", ["x.flow:1: await a", "x.flow:2: await b"], ["send a"]),
        "it waits:\n  x.flow:1: await a\n  x.flow:2: await b\nsend a",
    ),
    (errors.RunStuck("it goes on"), "it goes on"),
    (
        errors.WaitTimeout("exec_1", 30, "pending", "reports", 0),
        "execution 'exec_1' did not finish within 30 s, it is pending and no worker serves its "
        "queue 'reports': start one",
    ),
    (
        errors.WaitTimeout("exec_1", 0.5, "running", "default", 1),
        "execution 'exec_1' did not finish within 0.5 s, it is running; "
        "1 worker serves its queue 'default'",
    ),
    (
        errors.WaitTimeout("exec_1", 30, "suspended", "default", 2),
        "execution 'exec_1' did not finish within 30 s, it is suspended; "
        "2 workers serve its queue 'default'",
    ),
    (
        errors.WaitTimeout("exec_1", 30, "suspended", "default", 1, ["timer 2", "signal 'go'"]),
        "execution 'exec_1' did not finish within 30 s, it is suspended and waits for timer 2, "
        "signal 'go'; 1 worker serves its queue 'default'",
    ),
    (
        errors.WaitTimeout("exec_1", 30, "suspended", "default"),
        "execution 'exec_1' did not finish within 30 s, it is suspended in queue 'default'",
    ),
    (
        errors.ConnectionLost("unix:///run/redis.sock", "no such file"),
        "no answer from Redis at unix:///run/redis.sock: no such file; "
        "check that the server runs and that the address is right",
    ),
    (
        errors.ConnectionLost("redis://:***@db:6379/0", "connection refused", 10),
        "no answer from Redis at redis://:***@db:6379/0 within 10 s: connection refused; "
        "check that the server runs and that the address is right",
    ),
    (
        errors.NotReplicated("redis://db:6379/0", 2, 1),
        "the master at redis://db:6379/0 has recorded it, but 1 of 2 replicas confirmed it in "
        "time; see that they run, then repeat the call",
    ),
    (
        errors.NotPersisted("redis://db:6379/0"),
        "the master at redis://db:6379/0 has recorded it, but had not written it to its disk in "
        "time; see that the disk keeps up and that appendfsync is not 'no', then repeat it",
    ),
    (
        errors.StorageFull("redis://db:6379/0"),
        "Redis at redis://db:6379/0 is out of memory and stored nothing; "
        "raise its maxmemory or remove data, then repeat the call",
    ),
    (
        errors.StaleLease("exec_1"),
        "execution 'exec_1' is no longer this worker's to settle: its lease ran out or it was "
        "ended from outside; what was done here is dropped",
    ),
    (
        errors.UnreadableEvent("exec_1", 4, "its type 'paused' is unknown"),
        "event 4 of execution 'exec_1' cannot be read: its type 'paused' is unknown; "
        "the execution is left as it is: run the release that wrote it, bring the event back "
        "from a copy, fork it at an event before, or terminate it",
    ),
    (
        errors.UnreadableRecord("what is stored of 'exec_1'", "it is no hash", "rebuild it"),
        "what is stored of 'exec_1' cannot be read: it is no hash; rebuild it",
    ),
    (
        errors.NondeterminismError("exec_1", 4, "run task 'a'", "run task 'b'", 7),
        "replay of execution 'exec_1' differs at event 4, line 7: the history has run task 'a', "
        "the workflow now asks for run task 'b'; run it with the source and the release that "
        "recorded it",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_sentence(error: RhythmError, sentence: str) -> None:
    assert str(error) == sentence


@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_errors_copy_and_pickle_with_their_fields(error: RhythmError, duplicate) -> None:  # type: ignore[no-untyped-def]  # three unlike callables
    twin = duplicate(error)

    assert twin is not error
    assert twin == error
    assert hash(twin) == hash(error)
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)


def test_errors_differ_when_a_field_does() -> None:
    assert errors.ExecutionNotFound("a") != errors.ExecutionNotFound("b")
    assert errors.ExecutionNotFound("a") != errors.StaleLease("a")
    assert errors.ExecutionNotFound("a") != "a"


def test_every_error_is_in_the_tree_that_opens_the_file() -> None:
    """Nobody adds an error without saying what to do about it."""
    classes = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, RhythmError)
    ]

    assert all(f" {cls.__name__} " in f" {errors.__doc__} ".replace("\n", " ") for cls in classes)
    assert len(classes) >= 15


def test_wait_timeout_is_caught_as_timeout_error() -> None:
    with pytest.raises(TimeoutError) as caught:
        raise errors.WaitTimeout("exec_1", 30, "pending", "default", 2)

    assert isinstance(caught.value, RhythmError)
    assert caught.value.errno is None
    assert caught.value.args == ("exec_1", 30, "pending", "default", 2, ())


def test_a_syntax_error_shows_each_mistake_and_is_also_flowlangs() -> None:
    with pytest.raises(flowlang.FlowSyntaxError) as caught:
        flowlang.compile("const sum = ;\n", path="sum.flow")

    error = errors.FlowSyntaxError(caught.value.diagnostics)

    assert isinstance(error, flowlang.FlowSyntaxError)
    assert [(d.line, d.column) for d in error.diagnostics] == [
        (d.line, d.column) for d in caught.value.diagnostics
    ]
    assert str(error) == str(caught.value)
    assert str(error).startswith("sum.flow:1:13: error: ")
    for twin in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert twin == error
        assert str(twin) == str(error)


def test_missing_resource_is_a_configuration_error() -> None:
    assert issubclass(errors.MissingResource, errors.ConfigurationError)
