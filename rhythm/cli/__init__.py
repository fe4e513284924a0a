"""The command line, `rhythm`: one command a file, all of them ways of calling the public API.

Results go to standard output, everything else to standard error. What Rhythm raises on purpose
becomes one message and an exit code (`exits.py`); any other exception is a mistake of ours and
keeps its traceback.
"""

import logging
import os
from typing import Any

import click

from rhythm.cli.bulk import bulk
from rhythm.cli.cancel import cancel
from rhythm.cli.check import check
from rhythm.cli.count import count
from rhythm.cli.debug import debug
from rhythm.cli.delete import delete
from rhythm.cli.deploy import deploy
from rhythm.cli.dev import dev
from rhythm.cli.diff import diff
from rhythm.cli.doctor import doctor
from rhythm.cli.exits import Exit, exit_code
from rhythm.cli.explain import explain
from rhythm.cli.export import export
from rhythm.cli.fork import fork
from rhythm.cli.get import get
from rhythm.cli.grep import grep
from rhythm.cli.history import history
from rhythm.cli.impact import impact
from rhythm.cli.limit import limit
from rhythm.cli.list_executions import list_executions
from rhythm.cli.logs import show_logs
from rhythm.cli.migrate import migrate
from rhythm.cli.migrate_execution import migrate_execution
from rhythm.cli.new import new
from rhythm.cli.pause import pause
from rhythm.cli.rebuild import rebuild
from rhythm.cli.replay import replay
from rhythm.cli.resume import resume
from rhythm.cli.run import run
from rhythm.cli.schedule import schedule
from rhythm.cli.send_signal import signal
from rhythm.cli.start import start
from rhythm.cli.terminate import terminate
from rhythm.cli.timeline import timeline
from rhythm.cli.top import top
from rhythm.cli.verify import verify
from rhythm.cli.wait import wait
from rhythm.cli.what_if import what_if
from rhythm.cli.where import where
from rhythm.cli.worker import worker
from rhythm.cli.workers import workers
from rhythm.errors import RhythmError

EPILOG = """\
\b
Where Rhythm is:
  --redis URL, else RHYTHM_DATABASE_URL, else database_url of the config file.
  Without any, run and check work in memory; the other commands refuse.

\b
Exit codes:
  0 done      2 usage      4 cannot connect, misconfigured  6 refused
  1 failed    3 not found  5 timed out                      130 interrupted
"""


class _Commands(click.Group):
    """The group of all commands: lists them as they were added, and tells errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with a whole sentence, over two lines where one is too short."""
        rows = [(name, one.get_short_help_str(limit=200)) for name, one in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RhythmError as error:
            click.echo(f"{click.style('error', fg='red')}: {error}", err=True)
            ctx.exit(exit_code(error))
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(Exit.INTERRUPTED)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(package_name="rhythm-flow", prog_name="rhythm")
@click.pass_context
def main(context: click.Context) -> None:
    """Durable workflows: scripts in .flow files, tasks in Python, state in Redis."""
    if os.environ.get("NO_COLOR"):
        context.color = False
    show_logs(logging.ERROR)


for _command in (
    new,
    run,
    check,
    dev,
    worker,
    deploy,
    start,
    wait,
    get,
    list_executions,
    count,
    explain,
    history,
    timeline,
    replay,
    debug,
    where,
    what_if,
    impact,
    diff,
    grep,
    fork,
    migrate_execution,
    export,
    schedule,
    signal,
    cancel,
    terminate,
    pause,
    limit,
    resume,
    delete,
    bulk,
    top,
    workers,
    doctor,
    verify,
    rebuild,
    migrate,
):
    main.add_command(_command)
