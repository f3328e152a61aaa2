"""All verbs, in the order in which people meet them."""

from __future__ import annotations

from typing import Any

import typer

from tellapart.cli import (
    accounts,
    backup,
    bundles,
    converting,
    curating,
    curating_acts,
    deck_review,
    decks,
    forget,
    labels,
    mail,
    making,
    projects,
    recipes,
    runs,
    service,
    serving,
    sources,
    stepping,
    up,
    upkeep,
    variants,
    weights,
    worker,
)

#: Panel of the help → its verbs.
VERBS: dict[str, tuple[Any, ...]] = {
    "From words or pictures to a bundle": (
        making.make,
        making.train,
        making.run,
        labels.import_,
        making.demo,
    ),
    "The app": (
        up.up,
        worker.worker,
        worker.status,
        mail.mail,
        backup.backup,
        backup.restore,
    ),
    "Use a bundle": (bundles.predict, bundles.verify, bundles.export, converting.convert),
    "Serve": (serving.serve, service.compute, variants.benchmark),
    "Step by step, on a project": (
        stepping.collect,
        stepping.split,
        stepping.evaluate,
        stepping.compile,
        stepping.package,
        stepping.relabel,
        labels.labels,
        stepping.stop,
    ),
    "Look after projects": (
        projects.list_,
        projects.show,
        projects.path,
        upkeep.clean,
        forget.forget,
        upkeep.doctor,
    ),
}


def build() -> Any:
    """The Typer command with every verb."""
    app = typer.Typer(
        name="tellapart",
        help="From the things you want told apart to a verified picture classifier.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for panel, verbs in VERBS.items():
        for verb in verbs:
            app.command(verb.__name__.rstrip("_"), rich_help_panel=panel)(verb)
    workbench = typer.Typer(
        cls=curating.Curating,
        help="`curate NAME` measures the pictures and keeps or sets aside each; the verbs look at "
        "them from other sides, or do something that can be undone.",
    )
    workbench.command("run")(stepping.curate)
    for verb in (*curating.LOOKING, *curating_acts.ACTING):
        workbench.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(workbench, name="curate", rich_help_panel="Step by step, on a project")
    people = typer.Typer(help="Who may use a server: accounts, from its own terminal.")
    for verb in (
        accounts.add,
        accounts.list_,
        accounts.reset,
        accounts.close,
        accounts.open_,
        accounts.confirm,
    ):
        people.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(people, name="accounts", rich_help_panel="The app")
    queued = typer.Typer(help="The queue: runs that wait, work and have ended.")
    for verb in (runs.list_, runs.show, runs.follow, runs.cancel, runs.stop, runs.retry):
        queued.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(queued, name="runs", rich_help_panel="The app")
    judged = typer.Typer(help="Decks: judge a stream, show why, take corrections, get better.")
    for verb in (
        decks.sources,
        decks.add,
        decks.list_,
        decks.show,
        decks.dry,
        decks.on,
        decks.off,
        decks.run,
        decks.turns,
        decks.log,
        deck_review.review,
        deck_review.label,
        deck_review.undo,
        deck_review.results,
        deck_review.candidate,
        deck_review.correct,
        deck_review.policy,
        deck_review.replay,
        deck_review.heads,
        deck_review.retrain,
        deck_review.rollback,
        decks.confirm,
        decks.credential,
        decks.change,
        deck_review.forget,
        decks.remove,
    ):
        judged.command(verb.__name__.rstrip("_"))(verb)
    app.add_typer(judged, name="deck", rich_help_panel="The app")
    written = typer.Typer(help="Read, check, draw and rewrite recipes.")
    for verb in (recipes.schema, recipes.check, recipes.show, recipes.convert):
        written.command(verb.__name__)(verb)
    app.add_typer(written, name="recipe", rich_help_panel="Look after projects")
    pretrained = typer.Typer(help="Pretrained networks: those at hand, and others.")
    pretrained.command("list")(weights.list_)
    pretrained.command("get")(weights.get)
    app.add_typer(pretrained, name="weights", rich_help_panel="Look after projects")
    searched = typer.Typer(help="Where pictures are searched for, and how each source is.")
    searched.command("list")(sources.list_)
    searched.command("check")(sources.check)
    searched.command("noise")(sources.noise)
    app.add_typer(searched, name="sources", rich_help_panel="Look after projects")
    kept = typer.Typer(help="Keep `tellapart serve` or `up` running, under systemd.")
    for verb in (service.install, service.show, service.uninstall):
        kept.command(verb.__name__)(verb)
    app.add_typer(kept, name="service", rich_help_panel="Serve")
    return app


def _version(wanted: bool) -> None:
    if wanted:
        import tellapart
        from tellapart.cli.console import write

        write(tellapart.__version__)
        raise typer.Exit()


def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """From the things you want told apart to a verified picture classifier."""
