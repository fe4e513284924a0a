"""`rhythm schedule …`: what starts executions again and again."""

from datetime import timedelta
from typing import Any

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.parameters import attribute_option, input_option, workflows_option
from rhythm.cli.progress import counted
from rhythm.cli.show import count, moment, print_fields, print_json, print_table, short_json
from rhythm.errors import ScheduleNotFound
from rhythm.schedules import Overlap, Schedule

# As text: click would offer an enum's members by their Python names.
_OVERLAPS = [str(policy) for policy in Overlap]


@click.group("schedule")
def schedule() -> None:
    """Start workflows and tasks again and again."""


_timing = (
    click.option("--cron", metavar="TEXT", help="When, as '30 6 * * MON-FRI' or '@daily'."),
    click.option("--every", metavar="DURATION", help="How often instead, as 90s, 15m or 24h."),
    click.option("--offset", metavar="DURATION", help="Of --every: how much later each time."),
    click.option("--time-zone", metavar="NAME", help="Of --cron, as Europe/Berlin (default: UTC)."),
    click.option("--jitter", metavar="DURATION", help="Start up to so much later, by chance."),
    click.option(
        "--overlap",
        type=click.Choice(_OVERLAPS),
        help="While one runs: skip the next, queue it, cancel the one that runs, or allow both "
        "(default: skip).",
    ),
    click.option(
        "--catch-up",
        metavar="DURATION",
        help="Have times later that came when nobody worked, unless longer past (default: 1h).",
    ),
    click.option("--queue", metavar="NAME", help="Queue to put executions in."),
    click.option("--priority", type=click.IntRange(0, 9), help="Of executions; 9 comes first."),
    click.option("--key", metavar="TEXT", help="Whom they are for: a queue's keys take turns."),
    attribute_option,
    click.option("--note", metavar="TEXT", help="For people who see the schedule."),
)


def _timed(action: Any) -> Any:
    for option in reversed(_timing):
        action = option(action)
    return action


@schedule.command("create")
@click.argument("id")
@click.argument("target")
@_timed
@click.option(
    "--type",
    "exec_type",
    type=click.Choice(["workflow", "task"]),
    default="workflow",
    show_default=True,
    help="What TARGET names.",
)
@click.option("--paused", is_flag=True, help="Let no time come until it is resumed.")
@workflows_option
@input_option
@command
async def create(
    place: Place,
    id: str,
    target: str,
    workflows: tuple[str, ...],
    inputs: tuple[tuple[str, Any], ...],
    **options: Any,
) -> None:
    """Start TARGET again and again, by --cron or --every.

    Called again with the same, it changes nothing; `rhythm schedule change` does.
    """
    definition: Any = {"id": id, "target_name": target, "inputs": dict(inputs), **_given(options)}
    async with place.open(workflows=workflows, migrate=True) as app:
        made = await app.scheduler_service.create_schedule(definition)
    _show(place, made)


@schedule.command("change")
@click.argument("id")
@_timed
@click.option("--target", "target_name", metavar="NAME", help="What to start instead.")
@input_option
@command
async def change(
    place: Place, id: str, inputs: tuple[tuple[str, Any], ...], **options: Any
) -> None:
    """Change a schedule; what is not named stays.

    Inputs are replaced as a whole, and so are attributes.
    """
    changes = _given(options) | ({"inputs": dict(inputs)} if inputs else {})
    if not changes:
        raise click.UsageError("say what is to be changed")
    async with place.open() as app:
        changed = await app.scheduler_service.change_schedule(id, **changes)
    _show(place, changed)


@schedule.command("list")
@command
async def list_schedules(place: Place) -> None:
    """List all schedules."""
    async with place.open() as app:
        found = await app.scheduler_service.list_schedules()
    if place.as_json:
        print_json(found)
        return
    if found:
        headers = ["ID", "STARTS", "WHEN", "NEXT (UTC)", "RUNNING", "STARTED", "TROUBLE"]
        print_table(headers, [_row(one) for one in found])
    click.echo(count(len(found), "schedule"))


@schedule.command("get")
@click.argument("id")
@command
async def get(place: Place, id: str) -> None:
    """Show a schedule: what it starts, its next times, and what came of it."""
    async with place.open() as app:
        found = await app.scheduler_service.get_schedule(id)
    if found is None:
        raise ScheduleNotFound(id)
    _show(place, found)


@schedule.command("next")
@click.argument("id")
@click.option("--count", "number", type=click.IntRange(1, 10_000), default=10, show_default=True)
@click.option("--after", metavar="TIME", help="From this ISO time on, instead of now.")
@command
async def next_times(place: Place, id: str, number: int, after: str | None) -> None:
    """Show when a schedule is due next, in UTC."""
    async with place.open() as app:
        times = await app.scheduler_service.next_times(id, number, after)
    if place.as_json:
        print_json(times)
    else:
        click.echo("\n".join(map(moment, times)))


@schedule.command("pause")
@click.argument("id")
@click.option("--note", metavar="TEXT", help="Why.")
@command
async def pause(place: Place, id: str, note: str | None) -> None:
    """Let no time come until the schedule is resumed; what it has started goes on."""
    async with place.open() as app:
        paused = await app.scheduler_service.pause_schedule(id, note)
    _say(place, paused, f"{id} is paused")


@schedule.command("resume")
@click.argument("id")
@click.option("--note", metavar="TEXT", help="Takes the place of the one before.")
@command
async def resume(place: Place, id: str, note: str | None) -> None:
    """Let times come again, from now on; `rhythm schedule backfill` gets those meanwhile."""
    async with place.open() as app:
        resumed = await app.scheduler_service.resume_schedule(id, note)
    _say(place, resumed, f"{id} is due next at {moment(_first(resumed))} UTC")


@schedule.command("trigger")
@click.argument("id")
@click.option("--overlap", type=click.Choice(_OVERLAPS), help="Instead of the schedule's own.")
@command
async def trigger(place: Place, id: str, overlap: str | None) -> None:
    """Start now what a schedule starts, also a paused one; print the execution's id.

    Nothing is printed when others run and the overlap policy passes it over or lets it wait.
    """
    async with place.open() as app:
        execution_id = await app.scheduler_service.trigger_schedule(id, overlap=overlap)
    if place.as_json:
        print_json({"id": execution_id})
    elif execution_id is not None:
        click.echo(execution_id)
    else:
        click.echo("others run: it was passed over, or waits for their end", err=True)


@schedule.command("backfill")
@click.argument("id")
@click.argument("start")
@click.argument("end")
@click.option(
    "--overlap",
    type=click.Choice(_OVERLAPS),
    default="allow",
    show_default=True,
    help="While one runs; queue runs them one after the other.",
)
@command
async def backfill(place: Place, id: str, start: str, end: str, overlap: str) -> None:
    """Have the due times from START until before END, ISO times that have passed.

    Those whose executions there are already are left as they are.
    """
    async with place.open() as app:
        with counted("due times") as on_progress:
            done = await app.scheduler_service.backfill_schedule(
                id, start, end, overlap=overlap, on_progress=on_progress
            )
    if place.as_json:
        print_json(done)
    else:
        click.echo(
            f"{done.started:,} started, {done.waiting:,} wait, {done.skipped:,} skipped, "
            f"{done.existing:,} there already"
        )


@schedule.command("delete")
@click.argument("id")
@command
async def delete(place: Place, id: str) -> None:
    """Forget a schedule; what it has started goes on."""
    async with place.open() as app:
        await app.scheduler_service.delete_schedule(id)
    if place.as_json:
        print_json({"id": id})
    else:
        click.echo(f"{id} is deleted")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None}
    attributes = dict(given.pop("attributes"))
    return given | ({"attributes": attributes} if attributes else {})


def _first(one: Schedule) -> Any:
    return one.next_times[0] if one.next_times else None


def _say(place: Place, one: Schedule, sentence: str) -> None:
    if place.as_json:
        print_json(one)
    else:
        click.echo(sentence)


def _show(place: Place, one: Schedule) -> None:
    if place.as_json:
        print_json(one)
        return
    fields: list[tuple[str, Any]] = [
        ("id", one.id),
        ("starts", f"{one.type} {one.target_name} with {short_json(one.inputs, 60)}"),
        ("when", _when(one)),
        ("overlap", str(one.overlap)),
        ("catches up", _duration(one.catch_up)),
    ]
    if one.queue is not None:
        fields.append(("queue", one.queue))
    if one.priority is not None:
        fields.append(("priority", str(one.priority)))
    if one.key is not None:
        fields.append(("key", one.key))
    if one.attributes:
        fields.append(("attributes", short_json(one.attributes, 60)))
    if one.jitter:
        fields.append(("jitter", f"up to {_duration(one.jitter)}"))
    if one.note is not None:
        fields.append(("note", one.note))
    fields += [
        ("next (UTC)", "paused" if one.paused else "\n".join(map(moment, one.next_times))),
        ("last due", moment(one.last_due_at)),
        ("running", "\n".join(one.running) or "-"),
        (
            "so far",
            f"{one.started:,} started, {one.waiting:,} wait, {one.skipped:,} skipped, "
            f"{one.missed:,} missed, {one.failed:,} failed",
        ),
    ]
    if one.trouble is not None:
        fields.append(("trouble", one.trouble))
    print_fields(fields)


def _row(one: Schedule) -> list[str]:
    return [
        one.id,
        one.target_name,
        _when(one),
        "paused" if one.paused else moment(_first(one)),
        str(len(one.running)),
        f"{one.started:,}",
        one.trouble or "-",
    ]


def _when(one: Schedule) -> str:
    if one.cron is not None:
        return one.cron if one.time_zone == "UTC" else f"{one.cron} in {one.time_zone}"
    assert one.every is not None
    shifted = f", {_duration(one.offset)} later" if one.offset else ""
    return f"every {_duration(one.every)}{shifted}"


def _duration(length: timedelta) -> str:
    """As it would be given: `15m`, `90s`."""
    milliseconds = length // timedelta(milliseconds=1)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"
