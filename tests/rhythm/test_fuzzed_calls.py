"""Whatever the public calls are given, they do it or refuse it with an error of ours, and a
refusal changes nothing.

`scripts/fuzz-calls` tries many more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rhythm
from rhythm import ConfigurationError, FlowSyntaxError, InitBuilder, client
from tests.rhythm.calling.trying import tried, tried_plainly


@pytest.mark.errors_expected
def test_a_call_is_accepted_or_refused_and_changes_nothing(
    database_url: str, namespace: str, run: Callable[..., Any]
) -> None:
    assert run(tried("smoke", 0, 60, database_url, namespace)) == []


def test_a_plain_call_is_accepted_or_refused(
    database_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RHYTHM_NAMESPACE", namespace)
    rhythm.init(database_url)

    assert tried_plainly("smoke", 0, 60) == []

    client.close()


def test_a_file_of_any_bytes_is_registered_or_told_what_is_wrong_with_it(
    tmp_path: Path, run: Callable[..., Any]
) -> None:
    file = tmp_path / "odd.flow"

    @settings(max_examples=40, deadline=None)
    @given(
        st.binary(max_size=60)
        | st.text(alphabet="`\n{}()[];'\"x1=+.?:/* \ufeff\u2028é", max_size=60).map(str.encode)
        | st.sampled_from([b"```\n", b"```\nqueue: [\n```\n", b"\xff\xfe", b"\0", b"\xef\xbb\xbf"])
    )
    def load(content: bytes) -> None:
        file.write_bytes(content)
        builder = InitBuilder().database_url("memory://").workflow_paths([file])
        try:
            app = run(builder.init())
        except (FlowSyntaxError, ConfigurationError) as error:
            assert "odd" in str(error)
        else:
            assert run(app.workflow_service.list_workflows())
            run(app.close())

    load()
