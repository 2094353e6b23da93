"""`stemsplit models`: what there is, what is on this machine, and how to get it here."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from stemsplit.cli.console import say
from stemsplit.errors import CheckpointError, HubUnreachableError, ModelError, UnknownModelError
from stemsplit.hub.catalog import CatalogEntry, load_catalog, suggest_names
from stemsplit.hub.resolve import ModelSource, resolve

Presence = Literal["built in", "yes", "partly", "no"]

app = typer.Typer(
    help="Lists, fetches and checks models.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name from `models list`.")]
ReferencesArgument = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Names, paths or hf://owner/repo[@revision].")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """Lists all models that have a name, and whether they are on this machine."""
    entries = load_catalog().values()
    if as_json:
        typer.echo(json.dumps([_as_json(entry) for entry in entries], indent=2))
        return
    header = ("name", "stems", "licence of weights", "size", "published score", "downloaded")
    rows = [
        (
            entry.name,
            ", ".join(entry.stems),
            entry.licence,
            _size(entry),
            _headline(entry),
            presence(entry.name),
        )
        for entry in entries
    ]
    _print_table(header, rows)
    say("`stemsplit models show NAME` says how the score was measured and what the licence means.")


@app.command("show")
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Shows all that is known about a model."""
    entry = load_catalog().get(name)
    if entry is None:
        raise UnknownModelError(
            f"No model is called {name!r}.",
            hint=_did_you_mean(name) + "Try `stemsplit models list`.",
        )
    if as_json:
        typer.echo(json.dumps(_as_json(entry), indent=2))
        return
    facts = {
        "name": entry.name,
        "what": entry.description,
        "stems": ", ".join(entry.stems),
        "family": entry.family,
        "from": f"{entry.repo_id}@{entry.revision}" if entry.repo_id else "built in",
        "size": _size(entry),
        "cost": entry.cost,
        "downloaded": presence(name),
        "licence of weights": entry.licence,
        "": entry.licence_note,
    }
    for label, text in facts.items():
        typer.echo(f"{label:<20}{text}")
    _print_scores(entry)


@app.command("pull")
def pull(
    references: ReferencesArgument,
    offline: Annotated[
        bool, typer.Option("--offline", help="Only check that everything is here already.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress bars.")] = False,
) -> None:
    """Downloads models, or their newer versions, and verifies every file."""
    for reference in references:
        source = resolve(reference, offline=offline, quiet=quiet, refresh=not offline)
        for member in source.members:
            member.fetch()
        if not quiet:
            _say_licence(source)
        typer.echo(f"{reference}\t{source.origin}\t{len(source.members)} files verified")


@app.command("verify")
def verify(
    references: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Default: all models that were downloaded."),
    ] = None,
) -> None:
    """Reads every downloaded file again and compares it with its checksum.

    Without names, the networks of a bag that were never needed are not counted as missing.
    """
    wanted = references or [name for name in load_catalog() if presence(name) in ("yes", "partly")]
    num_wrong = 0
    for reference in wanted:
        for file_name, state in _states(reference):
            typer.echo(f"{state}\t{reference}\t{file_name}")
            num_wrong += state == "damaged" or (state == "missing" and references is not None)
    if num_wrong:
        raise CheckpointError(
            f"{num_wrong} files are damaged or missing.",
            hint="`stemsplit models pull NAME` fetches what is damaged or missing.",
        )


@app.command("path")
def path(reference: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Prints where the files of a downloaded model are, one per line."""
    source = resolve(reference, offline=True)
    paths = [member.local_path() for member in source.members]
    for local in paths:
        if local is not None:
            typer.echo(str(local))
    if not source.members:
        say(f"{escape(source.name)} is built in and has no files.")
    elif None in paths:
        say(f"{paths.count(None)} of {len(paths)} files are not downloaded.")


def presence(name: str) -> Presence:
    """How much of a model is on this machine, going by which files are there."""
    try:
        source = resolve(name, offline=True)
    except ModelError:
        return "no"
    if not source.members:
        return "built in"
    num_here = sum(member.local_path() is not None for member in source.members)
    if num_here == len(source.members):
        return "yes"
    return "partly" if num_here else "no"


def _states(reference: str) -> list[tuple[str, Literal["ok", "damaged", "missing"]]]:
    try:
        source = resolve(reference, offline=True)
    except HubUnreachableError:
        return [(reference, "missing")]
    states: list[tuple[str, Literal["ok", "damaged", "missing"]]] = []
    for member in source.members:
        try:
            member.fetch()
        except HubUnreachableError:
            states.append((member.file_name, "missing"))
        except CheckpointError:
            states.append((member.file_name, "damaged"))
        else:
            states.append((member.file_name, "ok"))
    return states


def _as_json(entry: CatalogEntry) -> dict[str, Any]:
    return {**dataclasses.asdict(entry), "downloaded": presence(entry.name)}


def _size(entry: CatalogEntry) -> str:
    if entry.size_bytes is None:
        return "unknown"
    return f"about {entry.size_bytes / 1e6:.0f} MB" if entry.size_bytes else "0"


def _headline(entry: CatalogEntry) -> str:
    """The first figure for all stems, with the songs that it was measured on."""
    for score in entry.scores:
        if score.stem is None:
            return f"{score.value:.2f} dB ({score.dataset})"
    return "-"


def _print_scores(entry: CatalogEntry) -> None:
    if entry.trained_on_test_set:
        typer.echo("Trained on the MUSDB18 test set: scores on that set mean nothing for it.")
    if not entry.scores:
        typer.echo("No published score could be traced to this very checkpoint.")
    protocols: dict[tuple[str, str, str, str], list[str]] = {}
    for score in entry.scores:
        key = (score.metric, score.dataset, score.protocol, score.source)
        protocols.setdefault(key, []).append(f"{score.stem or 'all'} {score.value:.2f}")
    for (metric, dataset, protocol, origin), values in protocols.items():
        typer.echo(f"{metric} in dB on {dataset}: {', '.join(values)}")
        typer.echo(f"    {protocol}; from {origin}")


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table on a terminal; tab-separated lines for other programs."""
    console = Console(highlight=False)
    if not console.is_terminal:
        for row in (header, *rows):
            typer.echo("\t".join(row))
        return
    table = Table(*header, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _say_licence(source: ModelSource) -> None:
    if source.entry is None:
        say(f"The licence of {escape(source.origin)} is unknown to stemsplit; see its page.")
    elif source.entry.licence != "permissive-confirmed":
        say(f"Licence of the weights: {source.entry.licence}. {escape(source.entry.licence_note)}")


def _did_you_mean(name: str) -> str:
    suggestions = " or ".join(suggest_names(name))
    return f"Did you mean {suggestions}? " if suggestions else ""
