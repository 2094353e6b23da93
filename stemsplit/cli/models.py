"""`stemsplit models`: what there is, what is on this machine, and how to get it here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from stemsplit.cli.bench_results import best_of, read_measurements
from stemsplit.cli.completion import complete_models, complete_purposes
from stemsplit.cli.from_demucs import models_of_repo
from stemsplit.cli.help import HelpfulCommand, HelpfulGroup
from stemsplit.cli.options.declare import argument, like, option, takes
from stemsplit.cli.options.running import MessageOptions, NetworkOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.cli.printer.command_events import (
    Answer,
    ModelRow,
    ModelShown,
    ModelsListed,
    Talk,
)
from stemsplit.cli.printer.sink import Show, preparing, printing
from stemsplit.errors import (
    CheckpointError,
    HubUnreachableError,
    UnknownModelError,
)
from stemsplit.hub.catalog import (
    CatalogEntry,
    Purpose,
    find_entry,
    load_catalog,
    suggest_names,
)
from stemsplit.hub.choose import PERMISSIVE
from stemsplit.hub.expression import availability, resolve_expression
from stemsplit.hub.model_files import ModelSource
from stemsplit.hub.purposes import best_first, fitting, purpose_named
from stemsplit.quoting import counted

app = typer.Typer(
    cls=HelpfulGroup,
    help="List, fetch and check models.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_MODELS = "Models"
_WHICH = "Which models"

_NAME: dict[str, Any] = {"panel": _MODELS, "metavar": "NAME", "autocompletion": complete_models}


@dataclass(frozen=True, kw_only=True, slots=True)
class TableOptions:
    """How a table is shown."""

    json: bool = like(MessageOptions, "json", False, help="Print JSON instead of a table.")


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        _list()


def _purpose(_flag: str, text: str) -> Purpose:
    return purpose_named(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class ListOptions:
    """Which models."""

    purpose: Purpose | None = option(
        None,
        "--for",
        panel=_WHICH,
        reads=_purpose,
        metavar="PURPOSE",
        help="Only models for stems, vocals, karaoke, drumsep, dereverb, denoise, speech or "
        "another purpose; below the list, a terminal names them all.",
        autocompletion=complete_purposes,
    )
    in_full: bool = option(
        False,
        "--all",
        panel=_WHICH,
        help="All of them, where a terminal has the best few for each purpose. Pipes and --json "
        "always get all.",
    )


@app.command("list", cls=HelpfulCommand)
@takes(only={"purpose", "in_full", "json", "licence"})
def list_models(which: ListOptions, table: TableOptions, model: ModelOptions) -> None:
    """List models by what they are for, best first, and whether they are on this machine."""
    _list(which, as_json=table.json, permissive=model.licence is not None)


def _list(
    which: ListOptions = ListOptions(), *, as_json: bool = False, permissive: bool = False
) -> None:
    entries = [
        entry for entry in load_catalog().values() if not permissive or entry.licence in PERMISSIVE
    ]
    if which.purpose is not None:
        entries = best_first(fitting(which.purpose, entries), which.purpose)
    with printing(as_json=as_json) as show:
        show(ModelsListed(_rows(entries), which.purpose, which.in_full))


def list_models_of(repo: Path | None) -> None:
    """Lists the models in a folder of demucs, or else those of the catalogue."""
    if repo is None:
        _list()
        return
    with printing() as show:
        for name, file in models_of_repo(repo).items():
            show(Answer(f"{name}\t{file.name}"))


@dataclass(frozen=True, kw_only=True, slots=True)
class ShowOptions:
    """Which model."""

    name: str = argument(help="A name from `models list`.", **_NAME)


@app.command("show", cls=HelpfulCommand)
@takes()
def show_model(asked: ShowOptions, table: TableOptions) -> None:
    """Show all that is known about a model."""
    name = asked.name
    entry = find_entry(name, load_catalog())
    if entry is None:
        raise UnknownModelError(
            f"No model is called {name!r}.",
            hint=_did_you_mean(name) + "Try `stemsplit models list`.",
        )
    with printing(as_json=table.json) as show:
        show(ModelShown(*_rows([entry])))


@dataclass(frozen=True, kw_only=True, slots=True)
class PullOptions:
    """Which models, from where."""

    references: tuple[str, ...] = argument(
        **{**_NAME, "metavar": "NAME..."}, help="Names, paths or hf://OWNER/REPO[@REVISION]."
    )
    offline: bool = like(
        NetworkOptions, "offline", False, help="Only check that everything is here already."
    )
    quiet: bool = like(MessageOptions, "quiet", False, help="No progress bars.")


@app.command("pull", cls=HelpfulCommand)
@takes()
def pull(asked: PullOptions) -> None:
    """Download models, or their newer versions, and verify every file."""
    with printing(quiet=asked.quiet) as show:
        for reference in asked.references:
            ensemble = resolve_expression(
                reference,
                offline=asked.offline,
                refresh=not asked.offline,
                on_stage=preparing(show),
            )
            for file in (each for source in ensemble.models for each in source.files):
                file.fetch()
            for source in ensemble.models:
                _say_licence(source, show)
                num_files = counted(len(source.files), "file")
                show(Answer(f"{reference}\t{source.origin}\t{num_files} verified"))


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyOptions:
    """Which models."""

    references: tuple[str, ...] = argument(
        (),
        **{**_NAME, "metavar": "[NAME...]"},
        help="Names, paths or hf://OWNER/REPO[@REVISION].",
        show_default="all models that were downloaded",
    )


@app.command("verify", cls=HelpfulCommand)
@takes()
def verify(asked: VerifyOptions) -> None:
    """Read every downloaded file again and compare it with its checksum.

    Without names, the networks of a bag that were never needed are not counted as missing.
    """
    named = asked.references
    wanted = named or [name for name in load_catalog() if availability(name) in ("yes", "partly")]
    num_wrong = 0
    with printing() as show:
        if not wanted:
            show(Talk("No model was downloaded so far."))
        for reference in wanted:
            for file_name, state in _states(reference):
                show(Answer(f"{state}\t{reference}\t{file_name}"))
                num_wrong += state == "damaged" or (state == "missing" and bool(named))
    if num_wrong:
        raise CheckpointError(
            f"{counted(num_wrong, 'file is', 'files are')} damaged or missing.",
            hint="`stemsplit models pull NAME` fetches what is damaged or missing.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class PathOptions:
    """Which model."""

    reference: str = argument(help="A name, path or hf://OWNER/REPO[@REVISION].", **_NAME)


@app.command("path", cls=HelpfulCommand)
@takes()
def path(asked: PathOptions) -> None:
    """Print where the files of a downloaded model are, one per line."""
    with printing() as show:
        for source in resolve_expression(asked.reference, offline=True).models:
            paths = [file.local_path() for file in source.files]
            for local in paths:
                if local is not None:
                    show(Answer(str(local)))
            if not source.members:
                show(Talk(f"{source.name} is built in and has no files."))
            elif None in paths:
                missing = f"{paths.count(None)} of {counted(len(paths), 'file')}"
                show(Talk(f"{missing} not downloaded."))


def _states(reference: str) -> list[tuple[str, Literal["ok", "damaged", "missing"]]]:
    try:
        models = resolve_expression(reference, offline=True).models
    except HubUnreachableError:
        return [(reference, "missing")]
    states: list[tuple[str, Literal["ok", "damaged", "missing"]]] = []
    for file in (each for source in models for each in source.files):
        try:
            file.fetch()
        except HubUnreachableError:
            states.append((file.name, "missing"))
        except CheckpointError:
            states.append((file.name, "damaged"))
        else:
            states.append((file.name, "ok"))
    return states


def _rows(entries: Sequence[CatalogEntry]) -> list[ModelRow]:
    measurements = read_measurements()
    return [
        ModelRow(entry, best_of(entry.name, measurements), availability(entry.name))
        for entry in entries
    ]


def _say_licence(source: ModelSource, show: Show) -> None:
    entry = source.entry
    if entry is None:
        show(Talk(f"The licence of {source.origin} is unknown to stemsplit; see its page."))
    elif entry.licence != "permissive-confirmed":
        show(Talk(f"Licence of the weights: {entry.licence}. {entry.licence_note}"))


def _did_you_mean(name: str) -> str:
    suggestions = " or ".join(suggest_names(name))
    return f"Did you mean {suggestions}? " if suggestions else ""
