"""`rhythm explain`: why an execution stands where it stands, in sentences."""

import click

from rhythm.cli.connect import Place, command
from rhythm.cli.show import print_json
from rhythm.cli.subject import Subject, subject
from rhythm.history.explain import Explanation


@click.command("explain")
@subject
@command
async def explain(place: Place, subject: Subject) -> None:
    """Say where an execution stands and why.

    What it waits for and since when, what would wake it, what went wrong before, and whether
    anything is amiss: no worker on a queue, a task that nobody knows, a timer that does not fire.
    FILE is what `rhythm export` wrote; it cannot tell what is amiss around the execution.
    """
    if subject.bundle is not None:
        explanation = subject.bundle.explain(subject.id)
    else:
        async with place.open() as app:
            explanation = await app.history_service.explain(subject.id)
    if place.as_json:
        print_json(explanation)
    else:
        print_explanation(explanation)


def print_explanation(explanation: Explanation) -> None:
    """The sentences, those about the past and what is amiss marked."""
    for sentence in explanation.stands:
        click.echo(sentence)
    for sentence in explanation.past:
        click.echo(f"{click.style('before', fg='cyan')}: {sentence}")
    for sentence in explanation.amiss:
        click.echo(f"{click.style('amiss', fg='yellow')}: {sentence}")
