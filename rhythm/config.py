"""`rhythm.config.settings`: what is set, for the plain API; read when it is first asked for.

It has every setting of `rhythm.settings`, and those that the original Rhythm's had, which programs
read for themselves. As in the original these change nothing in the engine.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from rhythm.errors import ConfigurationError, quoted
from rhythm.settings import Settings, load_settings

__all__ = ["PlainSettings", "settings"]

settings: PlainSettings

_PREFIX = "WORKFLOWS_"


class PlainSettings(Settings, frozen=True, kw_only=True):
    """The settings, and the original's own, from the environment as `WORKFLOWS_<NAME>`."""

    worker_poll_interval: float = 1.0
    """Seconds. Nothing is polled."""
    worker_max_concurrent: int = 10
    """`rhythm.worker.run(concurrency=…)` is what counts."""
    worker_verbose: bool = False
    default_timeout: int = 300
    """Seconds. Tasks have the limits that `@task` or the call gives them."""
    default_workflow_timeout: int = 3600
    """Seconds. Workflows have the limits of their front matter."""
    default_retries: int = 3
    """Tasks have the retries that `@task` or the call gives them."""
    default_retry_backoff_base: float = 2.0
    default_retry_backoff_max: float = 60.0


def load(environ: Mapping[str, str] | None = None) -> PlainSettings:
    """The settings of this process.

    Args:
        environ: instead of its environment.

    Raises:
        ConfigurationError: naming the place and the setting that cannot work.
    """
    environ = os.environ if environ is None else environ
    own = set(Settings.__struct_fields__)
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(PlainSettings):
        variable = f"{_PREFIX}{field.name.upper()}"
        text = environ.get(variable)
        if text and field.name not in own:
            try:
                given[field.name] = msgspec.convert(text, field.type, strict=False)
            except msgspec.ValidationError:
                kind = {bool: "true or false", int: "a whole number", float: "a number"}
                raise ConfigurationError(
                    f"{variable} is {quoted(text)}", f"make it {kind[field.type]}"
                ) from None
    url = environ.get(f"{_PREFIX}DATABASE_URL") or None
    common = load_settings(environ=environ)
    if common.database_url is None and url is not None:
        common = load_settings(environ=environ, database_url=url)
    return PlainSettings(**msgspec.structs.asdict(common), **given)


@functools.cache
def _of_this_process() -> PlainSettings:
    return load()


def __getattr__(name: str) -> PlainSettings:
    if name == "settings":
        return _of_this_process()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
