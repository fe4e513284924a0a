"""Whether and when a failed attempt is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhythm.engine.retry import NEVER, RetryPolicy, duration_ms, next_delay_ms, policy_of
from rhythm.errors import InvalidRequest


@pytest.mark.parametrize(
    ("given_", "ms"),
    [
        (1, 1000),
        (0.25, 250),
        ("500ms", 500),
        ("30s", 30_000),
        ("1.5h", 5_400_000),
        ("7d", 604800000),
    ],
)
def test_durations_are_seconds_or_text(given_: object, ms: int) -> None:
    assert duration_ms(given_, "timeout") == ms


@pytest.mark.parametrize("wrong", [-1, "5", "5 s", "s", True, None, [], float("nan"), 1e300])
def test_what_is_no_duration_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(InvalidRequest, match=r"retry\.maxInterval"):
        duration_ms(wrong, "retry.maxInterval")


def test_without_a_policy_nothing_is_tried_again() -> None:
    assert policy_of(None) is NEVER
    assert next_delay_ms(NEVER, attempt=1, error="ValueError", execution_id="e") is None


def test_a_policy_is_read_from_the_words_of_flow() -> None:
    assert policy_of(
        {
            "maxAttempts": 5,
            "initialInterval": "200ms",
            "backoff": 3,
            "maxInterval": "1m",
            "jitter": 0,
            "nonRetryable": ["ValueError"],
        }
    ) == RetryPolicy(5, "200ms", 3, "1m", 0, (ValueError,))


@pytest.mark.parametrize(
    "wrong",
    [
        {"maxAttempts": 0},
        {"maxAttempts": 1.5},
        {"maxAttempt": 3},
        {"backoff": 0.5},
        {"jitter": 2},
        {"nonRetryable": "ValueError"},
        {"initialInterval": "soon"},
    ],
)
def test_a_policy_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        policy_of(wrong)


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(InvalidRequest, match="did you mean 'maxAttempts'"):
        policy_of({"maxAttempt": 3})


@given(
    attempt=st.integers(1, 10_000),
    backoff=st.floats(1, 100),
    initial=st.integers(0, 100_000),
    longest=st.integers(0, 10_000_000),
    jitter=st.floats(0, 1),
    id_=st.text(min_size=1, max_size=30),
)
def test_an_interval_stays_within_its_bounds_and_is_the_same_everywhere(
    attempt: int, backoff: float, initial: int, longest: int, jitter: float, id_: str
) -> None:
    policy = RetryPolicy(attempt + 1, initial / 1000, backoff, longest / 1000, jitter)

    first = next_delay_ms(policy, attempt=attempt, error="E", execution_id=id_)
    again = next_delay_ms(policy, attempt=attempt, error="E", execution_id=id_)

    assert first == again
    assert first is not None and 0 <= first <= longest
    assert next_delay_ms(policy, attempt=attempt + 1, error="E", execution_id=id_) is None


def test_intervals_grow_and_named_errors_are_never_tried_again() -> None:
    policy = RetryPolicy(10, 0.1, 2.0, "500ms", 0.0, ("ValueError",))

    delays = [
        next_delay_ms(policy, attempt=n, error="OSError", execution_id="e") for n in range(1, 6)
    ]

    assert delays == [100, 200, 400, 500, 500]
    assert next_delay_ms(policy, attempt=1, error="ValueError", execution_id="e") is None
