"""Scripts as they are put together: what few calls need is made when it is first called."""

from __future__ import annotations

from pathlib import Path

import pytest

import streams
from streams.scripts import Script, compose, load
from tests.streams.house import House, Run, play

NAMES = sorted(path.stem for path in (Path(streams.__file__).parent / "lua").glob("*.lua"))

_LIMITS_OF_A_QUEUE = r"""
local call = redis.call
--@include transition
if ARGV[1] == "few" then
  return digits(7)
elseif ARGV[1] == "limits_of" then
  return "as \"limits_of\" says"
end
return limits_of(ARGV[2], "", "") or "none"
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_server_takes_every_script(name: str, house: House, run: Run) -> None:
    async def story() -> None:
        digest = await house.connection.command("SCRIPT", "LOAD", load(name).source)
        assert digest.decode() == load(name).digest

    play(house, run, story)


def test_what_is_made_when_called_works_and_is_made_whole() -> None:
    whole = compose("limits", _LIMITS_OF_A_QUEUE)
    assert "open_limits().limits_of(ARGV[2]" in whole.source
    assert whole.source.count("local function limits_of") == 1
    assert "choose_lane" not in whole.source, "nobody calls it here"


@pytest.mark.parametrize(
    ("verb", "answer"), [("few", b"7"), ("all", b"none"), ("limits_of", b'as "limits_of" says')]
)
def test_a_script_runs_with_and_without_what_is_made_when_called(
    verb: str, answer: bytes, house: House, run: Run
) -> None:
    script: Script = compose("limits", _LIMITS_OF_A_QUEUE)

    async def story() -> None:
        assert await house.connection.call(script, [house.keys.due], [verb, "default"]) == answer

    play(house, run, story)
