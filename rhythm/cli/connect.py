"""What all commands share: where Rhythm is, and an application opened there for one command.

An address comes from `--redis`, else from RHYTHM_DATABASE_URL, else from the config file. Only
commands that can do their whole work in one process fall back to memory://; to the others an
address that nobody gave is an error, since they would look into an empty server of their own.
"""

import asyncio
import functools
import importlib
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Concatenate

import click

from rhythm.builder import InitBuilder, Rhythm, migrate
from rhythm.errors import ConfigurationError
from rhythm.settings import Settings, load_settings

MEMORY = "memory://"


@dataclass(frozen=True)
class Place:
    """Where a command works and how it prints: the options that every command takes."""

    redis: str | None
    namespace: str | None
    config: str | None
    as_json: bool

    @asynccontextmanager
    async def open(
        self,
        *,
        workflows: Sequence[str] = (),
        memory_without_address: bool = False,
        migrate: bool = False,
    ) -> AsyncIterator[Rhythm]:
        """An application with `workflows` (files and folders), closed at the end.

        Args:
            memory_without_address: use memory:// when no address is given anywhere.
            migrate: prepare an empty Redis instead of refusing it.

        Raises:
            ConfigurationError: no address is given, or what is given cannot work.
        """
        address = self.settings().database_url
        if address is None and memory_without_address:
            address = MEMORY
        builder = InitBuilder().auto_migrate(migrate).database_url(_given(address))
        if self.config is not None:
            builder = builder.config_path(self.config)
        if self.namespace is not None:
            builder = builder.namespace(self.namespace)
        if workflows:
            builder = builder.workflow_paths(list(workflows))
        async with builder as app:
            yield app

    async def migrate(self) -> list[str]:
        """Prepare the namespace; what was done, a sentence each."""
        settings = self.settings()
        return await migrate(_given(settings.database_url), settings.namespace, settings.partitions)

    def address(self) -> str:
        """Where Redis is.

        Raises:
            ConfigurationError: nobody says so.
        """
        return _given(self.settings().database_url)

    def settings(self) -> Settings:
        """The settings as options, environment and config file give them."""
        return load_settings(
            database_url=self.redis, namespace=self.namespace, config_path=self.config
        )


def _given(address: str | None) -> str:
    if address is None:
        raise ConfigurationError(
            "no Redis address is given",
            "give --redis redis://HOST:6379/0, set RHYTHM_DATABASE_URL, or put database_url into "
            "a config file (--config FILE)",
        )
    return address


def command(
    action: Callable[Concatenate[Place, ...], Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Make an async function a command's body: adds the shared options, runs it to its end."""

    @click.option("--redis", metavar="URL", help="Redis to use, as redis://HOST:PORT/DB.")
    @click.option("--namespace", metavar="NAME", help="Namespace of the keys (default: rhythm).")
    @click.option("--config", metavar="FILE", help="Config file to read settings from.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
    @functools.wraps(action)
    def run(**options: Any) -> None:
        place = Place(
            redis=options.pop("redis"),
            namespace=options.pop("namespace"),
            config=options.pop("config"),
            as_json=options.pop("as_json"),
        )
        asyncio.run(action(place, **options))

    return run


def import_module(name: str) -> Any:
    """The module of that dotted name; the current directory comes first on the path.

    Raises:
        ConfigurationError: there is none, or it failed while it was imported (saying where).
    """
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            raise ConfigurationError(
                f"there is no module {name!r}",
                f"looked in {here} and on Python's path: check -m's name and the current directory",
            ) from error
        raise _import_failed(name, error) from error
    except Exception as error:
        raise _import_failed(name, error) from error


def import_object(spec: str) -> Any:
    """What `module:name` names."""
    module_name, colon, name = spec.partition(":")
    if not (module_name and colon and name):
        raise ConfigurationError(f"{spec!r} names nothing", "write it as module:name")
    module = import_module(module_name)
    try:
        return getattr(module, name)
    except AttributeError as error:
        raise ConfigurationError(f"module {module_name!r} has no {name!r}") from error


def _import_failed(name: str, error: Exception) -> ConfigurationError:
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        frame = [frame for frame in frames if not frame.filename.startswith("<frozen ")][-1]
        where = f"{frame.filename}:{frame.lineno}"
    return ConfigurationError(
        f"importing {name!r} failed: {type(error).__name__}: {error}", f"see {where}"
    )
