"""`stemsplit models`: what there is, what is on this machine, and how to get it here."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

import typer

from stemsplit.cli import options as opt
from stemsplit.cli.bench_results import Measurement, best_of, read_measurements, shown_speed
from stemsplit.cli.completion import complete_models
from stemsplit.cli.help import HelpfulCommand, HelpfulGroup
from stemsplit.cli.printer.console import escaped, say
from stemsplit.cli.printer.progress_line import stages_shown
from stemsplit.cli.printer.tables import print_facts, print_indented, print_table
from stemsplit.errors import CheckpointError, HubUnreachableError, UnknownModelError
from stemsplit.hub.catalog import CatalogEntry, find_entry, load_catalog, suggest_names
from stemsplit.hub.choose import PERMISSIVE
from stemsplit.hub.expression import resolve_expression
from stemsplit.hub.model_files import ModelSource
from stemsplit.hub.presence import files_of, presence
from stemsplit.quoting import counted

_USUAL_STEMS = {"drums", "bass", "other", "vocals"}
_MOST_USED = "S"

app = typer.Typer(
    cls=HelpfulGroup,
    help="List, fetch and check models.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_MODELS = "Models"

NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A name from `models list`.",
        rich_help_panel=_MODELS,
        autocompletion=complete_models,
    ),
]
ReferenceArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A name, path or hf://OWNER/REPO[@REVISION].",
        rich_help_panel=_MODELS,
        autocompletion=complete_models,
    ),
]
ReferencesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...",
        help="Names, paths or hf://OWNER/REPO[@REVISION].",
        rich_help_panel=_MODELS,
        autocompletion=complete_models,
    ),
]
JsonOption = Annotated[
    bool, opt.option("--json", group=opt.MESSAGES, help="Print JSON instead of a table.")
]


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@app.command("list", cls=HelpfulCommand)
def list_models(as_json: JsonOption = False, licence: opt.Licence = None) -> None:
    """List all models that have a name, and whether they are on this machine."""
    entries = [
        entry for entry in load_catalog().values() if licence is None or entry.licence in PERMISSIVE
    ]
    measurements = read_measurements()
    if as_json:
        objects = [_as_json(entry, measurements) for entry in entries]
        typer.echo(json.dumps(objects, indent=2))
        return
    columns: dict[str, list[str]] = {
        "name": [entry.name for entry in entries],
        "stems": [_stems(entry) for entry in entries],
        "SDR": [_headline(entry) for entry in entries],
        "MB": [_megabytes(entry) for entry in entries],
        "Gop/s": [_operations(entry) for entry in entries],
        "licence": [entry.licence.partition("-")[0] for entry in entries],
    }
    speeds = [_speed(entry, measurements) for entry in entries]
    if any(speeds):
        columns["speed"] = [speed or "-" for speed in speeds]
    columns["here"] = [presence(entry.name) for entry in entries]
    left_out = print_table(
        list(columns),
        list(zip(*columns.values(), strict=True)),
        right=("MB", "Gop/s"),
        wraps=("stems", "here"),
        spare=("Gop/s", "licence", "speed", "MB", "SDR"),
    )
    _explain([title for title in columns if title not in left_out], entries, columns["SDR"])
    say("`stemsplit models show NAME` says more.")


def _explain(
    titles: Collection[str], entries: Sequence[CatalogEntry], figures: Sequence[str]
) -> None:
    """What stands in the columns with these titles."""
    say(f"Usual 4: {', '.join(sorted(_USUAL_STEMS))}.")
    if "SDR" in titles:
        say(
            "SDR: published, in dB, of all stems or else of the first. Compare only those with the "
            "same letter:"
        )
        shown = {figure[-1] for figure in figures}
        for short, dataset in _protocols(entries).items():
            if short in shown:
                say(f"    {short}  {dataset}")
    if "Gop/s" in titles:
        say("Gop/s: 10^9 operations for a second of music.")
    if "licence" in titles:
        say("Licence: of the weights; `stated` is permissive by the repository's word.")
    if "speed" in titles:
        say("Speed: x real time on the fastest device that `stemsplit bench` has measured.")


@app.command("show", cls=HelpfulCommand)
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show all that is known about a model."""
    entry = find_entry(name, load_catalog())
    if entry is None:
        raise UnknownModelError(
            f"No model is called {name!r}.",
            hint=_did_you_mean(name) + "Try `stemsplit models list`.",
        )
    if as_json:
        typer.echo(json.dumps(_as_json(entry, read_measurements()), indent=2))
        return
    facts = {
        "name": " or ".join((entry.name, *entry.aliases)),
        "what": entry.description,
        "stems": ", ".join(entry.stems),
        "stems of a stem": ", ".join(
            f"{child} ({stem})" for stem, child in entry.child_names.items()
        ),
        "family": entry.family,
        "from": f"{entry.repo_id}@{entry.revision}" if entry.repo_id else "built in",
        "size": _size(entry),
        "cost": entry.cost + _operations_clause(entry),
        "speed here": _speed(entry, read_measurements()) or "not measured: `stemsplit bench`",
        "downloaded": presence(entry.name),
        "licence of weights": entry.licence,
        "": entry.licence_note,
    }
    if entry.unverified:
        facts["not verified"] = "Where its files are is hearsay: they may not be there."
    if not entry.child_names:
        del facts["stems of a stem"]
    print_facts(facts, width=20)
    _print_scores(entry)


@app.command("pull", cls=HelpfulCommand)
def pull(
    references: ReferencesArgument,
    offline: Annotated[
        bool,
        opt.option("--offline", group=opt.RUN, help="Only check that everything is here already."),
    ] = False,
    quiet: Annotated[
        bool, opt.option("-q", "--quiet", group=opt.MESSAGES, help="No progress bars.")
    ] = False,
) -> None:
    """Download models, or their newer versions, and verify every file."""
    for reference in references:
        with stages_shown(quiet=quiet) as on_stage:
            ensemble = resolve_expression(
                reference, offline=offline, refresh=not offline, on_stage=on_stage
            )
            for file in (each for source in ensemble.models for each in files_of(source)):
                file.fetch()
        for source in ensemble.models:
            if not quiet:
                _say_licence(source)
            num_files = counted(len(files_of(source)), "file")
            typer.echo(f"{reference}\t{source.origin}\t{num_files} verified")


@app.command("verify", cls=HelpfulCommand)
def verify(
    references: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME...]",
            help="Names, paths or hf://OWNER/REPO[@REVISION].",
            show_default="all models that were downloaded",
            rich_help_panel=_MODELS,
            autocompletion=complete_models,
        ),
    ] = None,
) -> None:
    """Read every downloaded file again and compare it with its checksum.

    Without names, the networks of a bag that were never needed are not counted as missing.
    """
    wanted = references or [name for name in load_catalog() if presence(name) in ("yes", "partly")]
    if not wanted:
        say("No model was downloaded so far.")
    num_wrong = 0
    for reference in wanted:
        for file_name, state in _states(reference):
            typer.echo(f"{state}\t{reference}\t{file_name}")
            num_wrong += state == "damaged" or (state == "missing" and references is not None)
    if num_wrong:
        raise CheckpointError(
            f"{counted(num_wrong, 'file is', 'files are')} damaged or missing.",
            hint="`stemsplit models pull NAME` fetches what is damaged or missing.",
        )


@app.command("path", cls=HelpfulCommand)
def path(reference: ReferenceArgument) -> None:
    """Print where the files of a downloaded model are, one per line."""
    for source in resolve_expression(reference, offline=True).models:
        paths = [file.local_path() for file in files_of(source)]
        for local in paths:
            if local is not None:
                typer.echo(str(local))
        if not source.members:
            say(f"{escaped(source.name)} is built in and has no files.")
        elif None in paths:
            say(f"{paths.count(None)} of {counted(len(paths), 'file')} not downloaded.")


def _states(reference: str) -> list[tuple[str, Literal["ok", "damaged", "missing"]]]:
    try:
        models = resolve_expression(reference, offline=True).models
    except HubUnreachableError:
        return [(reference, "missing")]
    states: list[tuple[str, Literal["ok", "damaged", "missing"]]] = []
    for file in (each for source in models for each in files_of(source)):
        try:
            file.fetch()
        except HubUnreachableError:
            states.append((file.name, "missing"))
        except CheckpointError:
            states.append((file.name, "damaged"))
        else:
            states.append((file.name, "ok"))
    return states


def _as_json(entry: CatalogEntry, measurements: Sequence[Measurement]) -> dict[str, Any]:
    best = best_of(entry.name, measurements)
    return {
        **dataclasses.asdict(entry),
        "measured": best and best.as_json(),
        "downloaded": presence(entry.name),
    }


def _speed(entry: CatalogEntry, measurements: Sequence[Measurement]) -> str:
    """How fast the model runs on the fastest device, empty if that was never measured."""
    best = best_of(entry.name, measurements)
    return shown_speed(best.realtime_factor) if best else ""


def _size(entry: CatalogEntry) -> str:
    if entry.size_bytes is None:
        return "unknown"
    return f"about {entry.size_bytes / 1e6:.0f} MB" if entry.size_bytes else "0"


def _stems(entry: CatalogEntry) -> str:
    """The stems, in 16 columns; the usual four, which most models have, as a number."""
    if set(entry.stems) == _USUAL_STEMS:
        return "usual 4"
    if set(entry.stems) > _USUAL_STEMS:
        return f"4, {', '.join(stem for stem in entry.stems if stem not in _USUAL_STEMS)}"
    if len(entry.stems) > 3:
        return f"{', '.join(entry.stems[:2])}, +{len(entry.stems) - 2}"
    return ", ".join(entry.stems).replace("instrumental", "instrum.")


def _protocols(entries: Collection[CatalogEntry]) -> dict[str, str]:
    """What the letters behind scores stand for."""
    return {
        score.short: f"{score.dataset}, {score.protocol}"
        for entry in entries
        for score in entry.scores
    }


def _megabytes(entry: CatalogEntry) -> str:
    return "-" if entry.size_bytes is None else f"{entry.size_bytes / 1e6:.0f}"


def _operations(entry: CatalogEntry) -> str:
    return "-" if entry.giga_operations is None else f"{entry.giga_operations:g}"


def _operations_clause(entry: CatalogEntry) -> str:
    if entry.giga_operations is None:
        return ""
    return f"; {entry.giga_operations:g} * 10^9 operations for a second of music"


def _headline(entry: CatalogEntry) -> str:
    """The figure that most models have one of: for all stems, or for the first one."""
    shorts = sorted({score.short for score in entry.scores}, key=lambda short: short != _MOST_USED)
    for short in shorts:
        values = {score.stem: score.value for score in entry.scores if score.short == short}
        if None not in values and set(entry.stems) <= values.keys():
            values[None] = sum(values[stem] for stem in entry.stems) / len(entry.stems)
        for stem in (None, entry.stems[0]):
            if stem in values:
                return f"{values[stem]:.2f} {short}"
    return "-"


def _print_scores(entry: CatalogEntry) -> None:
    if entry.trained_on_test_set:
        print_indented(
            "", "Trained on the MUSDB18 test set: scores on that set mean nothing for it."
        )
    if not entry.scores:
        print_indented("", "No published score could be traced to this very checkpoint.")
    protocols: dict[tuple[str, str, str, str], list[str]] = {}
    for score in entry.scores:
        key = (score.metric, score.dataset, score.protocol, score.source)
        protocols.setdefault(key, []).append(f"{score.stem or 'all'} {score.value:.2f}")
    for (metric, dataset, protocol, origin), values in protocols.items():
        print_indented("", f"{metric} in dB on {dataset}: {', '.join(values)}")
        print_indented("    ", f"{protocol}; from {origin}")


def _say_licence(source: ModelSource) -> None:
    if source.entry is None:
        say(f"The licence of {escaped(source.origin)} is unknown to stemsplit; see its page.")
    elif source.entry.licence != "permissive-confirmed":
        say(f"Licence of the weights: {source.entry.licence}. {escaped(source.entry.licence_note)}")


def _did_you_mean(name: str) -> str:
    suggestions = " or ".join(suggest_names(name))
    return f"Did you mean {suggestions}? " if suggestions else ""
