"""`stemsplit evaluate`: models over a data set whose true stems are known, and what they score."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemsplit.audio.file_names import display_path
from stemsplit.cli import options as opt
from stemsplit.cli.completion import complete_models
from stemsplit.cli.numbers import whole
from stemsplit.cli.printer.command_events import Summarized, SystemsCompared, Talk
from stemsplit.cli.printer.console import set_up_logging
from stemsplit.cli.printer.sink import Show, preparing, printing
from stemsplit.cli.process import prepare_to_compute
from stemsplit.cli.usage_checks import (
    check_device,
    check_output,
    check_there,
    parse_batch_size,
)
from stemsplit.engine.note import Note
from stemsplit.engine.plan import RunPlan
from stemsplit.errors import UsageError
from stemsplit.hub.expression import catalogue_stems

if TYPE_CHECKING:
    from stemsplit.engine.session import Session
    from stemsplit.evaluate.find_tracks import Dataset
    from stemsplit.evaluate.systems import System


class SubsetName(str, Enum):
    test = "test"
    train = "train"
    all = "all"


class LayoutName(str, Enum):
    musdb18 = "musdb18"
    musdb18_hq = "musdb18-hq"
    dsd100 = "dsd100"
    slakh2100 = "slakh2100"
    moisesdb = "moisesdb"
    folder = "folder"


MEASURED = "What to measure"

DatasetPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATASET]",
        help="A folder of songs with their true stems, or one .stem.mp4.",
        show_default=False,
        rich_help_panel=MEASURED,
    ),
]
Models = Annotated[
    list[str] | None,
    opt.option(
        "-m",
        "--model",
        "-n",
        "--name",
        group=MEASURED,
        metavar=opt.MODEL_VALUE,
        help="A model to measure. May be given several times.",
        autocompletion=complete_models,
    ),
]
Oracles = Annotated[
    str | None,
    opt.option(
        "--oracle",
        group=MEASURED,
        metavar="A,B",
        help="Upper bounds: irm (ideal ratio mask), ibm (ideal binary mask), mwf (multichannel "
        "Wiener filter). The mixture itself is always there as a lower bound.",
    ),
]
Metrics = Annotated[
    str,
    opt.option(
        "--metric",
        group=MEASURED,
        metavar="A,B",
        help="sdr, si_sdr, bsseval (SDR, ISR, SIR and SAR of BSS Eval v4), sdr_bsseval_v4 (only "
        "that), and for speech pesq and stoi.",
    ),
]
ChosenSubset = Annotated[
    SubsetName,
    opt.option("--subset", group=MEASURED, metavar="test|train|all", help="Part of the data set."),
]
ChosenLayout = Annotated[
    LayoutName | None,
    opt.option(
        "--layout",
        group=MEASURED,
        metavar="musdb18|musdb18-hq|dsd100|slakh2100|moisesdb|folder",
        help="How the data set is laid out.",
        show_default="told by what is there",
    ),
]
Limit = Annotated[
    int | None,
    opt.option(
        "--limit",
        group=MEASURED,
        parser=whole("--limit", 1),
        metavar="N",
        help="Only the first N tracks.",
    ),
]
Output = Annotated[
    Path,
    opt.option(
        "-o",
        "--output",
        "--out",
        group=opt.FILES,
        metavar="FILE",
        help="Results as JSON Lines. What is there already is not measured again.",
    ),
]
Compared = Annotated[
    tuple[Path, Path] | None,
    opt.option(
        "--compare",
        group=opt.FILES,
        metavar="A.jsonl B.jsonl",
        help="Only say whether the models in two files of results differ; --model picks one from "
        "each if there are more.",
    ),
]
Force = Annotated[
    bool,
    opt.option("--force", group=MEASURED, help="Even a model that was trained on the test songs."),
]


def evaluate(
    ctx: typer.Context,
    dataset: DatasetPath = None,
    model: Models = None,
    oracle: Oracles = None,
    metric: Metrics = "sdr,bsseval",
    subset: ChosenSubset = SubsetName.test,
    layout: ChosenLayout = None,
    limit: Limit = None,
    output: Output = Path("evaluation.jsonl"),
    compare: Compared = None,
    device: opt.Device = "auto",
    precision: opt.Precision = opt.PrecisionName.auto,
    batch_size: opt.BatchSize = "auto",
    threads: opt.Threads = None,
    offline: opt.Offline = False,
    force: Force = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Measure models on songs whose true stems are known."""
    set_up_logging(verbose=False, debug=debug)
    show = ctx.with_resource(printing(as_json=json, quiet=quiet))
    if compare is not None:
        if dataset is not None:
            raise UsageError("--compare reads two files of results, and no data set.")
        _compare(compare, model or [], show)
        return
    if dataset is None:
        raise UsageError(
            "No data set was named.", hint="Example: stemsplit evaluate musdb18 -m htdemucs"
        )
    check_device(device)
    plan = RunPlan(
        offline=offline,
        devices=device.lower(),
        precision=precision.value,
        batch_size=parse_batch_size(batch_size),
    )
    check_output(output, is_folder=False)
    check_there(dataset)
    for each in model or ():
        catalogue_stems(each)  # raises for what can be no model, before torch is imported
    from stemsplit.engine.session import open_session, runtimes_of
    from stemsplit.evaluate.bootstrap import summarize
    from stemsplit.evaluate.contamination import check_unheard
    from stemsplit.evaluate.find_tracks import find_dataset
    from stemsplit.evaluate.oracles import ORACLES
    from stemsplit.evaluate.results_file import RecordFile
    from stemsplit.evaluate.run import Evaluation
    from stemsplit.evaluate.scoring import METRICS, check_metrics
    from stemsplit.hub.expression import model_references

    metrics = _chosen("--metric", metric, METRICS)
    oracles = [] if oracle is None else _chosen("--oracle", oracle, ORACLES)
    check_metrics(metrics)
    prepare_to_compute(threads)
    runtimes = runtimes_of(plan)
    if len(runtimes) > 1:
        raise UsageError(f"--device {device}: evaluate runs on one device.")
    found = find_dataset(
        dataset,
        layout=None if layout is None else layout.value,
        subset=subset.value,
        limit=limit,
    )
    for note in found.notes:
        show(Note(note))
    store = RecordFile(output)
    models = list(dict.fromkeys(model or []))
    if not force:
        for name in (name for each in models for name in model_references(each)):
            check_unheard(name, found)
    sessions = [
        open_session(replace(plan, model=name), runtimes=runtimes, on_stage=preparing(show))
        for name in models
    ]
    for note in _doubts(models, sessions, found):
        show(Note(note))
    systems = _systems(oracles, sessions)
    evaluation = Evaluation(found, systems, metrics, store)
    num_failed = evaluation.run(show)
    show(Summarized(summarize(evaluation.records())))
    if len(found.tracks) == 1:
        show(Note("One track says nothing of others: no confidence intervals."))
    show(Talk(f"All figures, track by track: {display_path(output.absolute())}"))
    if num_failed:
        raise typer.Exit(1)


def _doubts(models: Sequence[str], sessions: Sequence[Session], dataset: Dataset) -> Iterable[str]:
    """What the user should know about the models and these songs, each sentence once."""
    from stemsplit.evaluate.contamination import doubts

    return dict.fromkeys(
        doubt
        for model, session in zip(models, sessions, strict=True)
        for doubt in doubts(model, [bag.name for bag in session.model.bags], dataset)
    )


def _systems(oracles: Sequence[str], sessions: Sequence[Session]) -> list[System]:
    """From the lower bound to the upper ones."""
    from stemsplit.evaluate.systems import MixtureSystem, ModelSystem, OracleSystem

    models = [ModelSystem(session.model, session.runtime) for session in sessions]
    return [
        MixtureSystem(),
        *{model.key: model for model in models}.values(),
        *map(OracleSystem, oracles),
    ]


def _compare(files: tuple[Path, Path], models: Sequence[str], show: Show) -> None:
    if len(models) > 2:
        raise UsageError(f"--compare takes one or two models, got {len(models)}.")
    for file in files:
        check_there(file)
    from stemsplit.evaluate.compare import compare, pick_system
    from stemsplit.evaluate.results_file import read_records

    wanted = (models[0], models[-1]) if models else (None, None)
    first, second = (
        pick_system(read_records(path), name, display_path(path))
        for path, name in zip(files, wanted, strict=True)
    )
    comparisons = compare(first, second)
    if not comparisons:
        raise UsageError(
            "The two have no track in common that was measured in the same way.",
            hint="Measure both on the same data set with the same --metric.",
        )
    for number, records in (("first", first), ("second", second)):
        model, revision, precision = records[0].system
        show(Note(f"The {number} is {model}, {revision}, {precision}."))
    show(SystemsCompared(comparisons))


def _chosen(option: str, text: str, known: Iterable[str]) -> list[str]:
    """Names separated by commas, each of them known.

    Raises:
        UsageError: one is not, or there is none.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            guess = f"Did you mean {close[0]}? " if close else ""
            raise UsageError(
                f"{option} does not know {name!r}.", hint=f"{guess}It knows {', '.join(known)}."
            )
    if not names:
        raise UsageError(f"{option} names nothing.", hint=f"It knows {', '.join(known)}.")
    return names
