"""`stemsplit evaluate`: models over a data set whose true stems are known, and what they score."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stemsplit.audio.file_names import display_path
from stemsplit.cli.options.declare import takes
from stemsplit.cli.options.measured import EvaluationOptions
from stemsplit.cli.options.running import DeviceOptions, MessageOptions, NetworkOptions
from stemsplit.cli.printer.command_events import Summarized, SystemsCompared, Talk
from stemsplit.cli.printer.console import set_up_logging
from stemsplit.cli.printer.sink import Show, preparing, printing
from stemsplit.cli.process import prepare_to_compute
from stemsplit.cli.usage_checks import (
    check_output,
    check_there,
)
from stemsplit.engine.note import Note
from stemsplit.engine.plan import RunPlan
from stemsplit.errors import UsageError
from stemsplit.hub.expression import catalogue_stems

if TYPE_CHECKING:
    from stemsplit.device.runtime import Runtime
    from stemsplit.engine.session import Session
    from stemsplit.evaluate.find_tracks import Dataset
    from stemsplit.evaluate.systems import System


@takes(without={"verbose"})
def evaluate(
    ctx: typer.Context,
    asked: EvaluationOptions,
    device: DeviceOptions,
    network: NetworkOptions,
    messages: MessageOptions,
) -> None:
    """Measure models on songs whose true stems are known."""
    set_up_logging(verbose=False, debug=messages.debug)
    show = ctx.with_resource(printing(as_json=messages.json, quiet=messages.quiet))
    if asked.compare is not None:
        if asked.dataset is not None:
            raise UsageError("--compare reads two files of results, and no data set.")
        _compare(asked.compare, asked.models, show)
        return
    if asked.dataset is None:
        raise UsageError(
            "No data set was named.", hint="Example: stemsplit evaluate musdb18 -m htdemucs"
        )
    check_output(asked.output, is_folder=False)
    check_there(asked.dataset)
    for each in asked.models:
        catalogue_stems(each)  # raises for what can be no model, before torch is imported
    plan = RunPlan(
        offline=network.offline,
        devices=device.device,
        precision=device.precision,
        batch_size=device.batch_size,
    )
    prepare_to_compute(device.threads)
    if not _measure(asked, asked.dataset, plan, show):
        raise typer.Exit(1)


def _measure(asked: EvaluationOptions, dataset: Path, plan: RunPlan, show: Show) -> bool:
    """Measures what has not been measured, and shows all; whether nothing failed."""
    from stemsplit.engine.session import runtimes_of
    from stemsplit.evaluate.bootstrap import summarize
    from stemsplit.evaluate.find_tracks import find_dataset
    from stemsplit.evaluate.oracles import ORACLES
    from stemsplit.evaluate.results_file import RecordFile
    from stemsplit.evaluate.run import Evaluation
    from stemsplit.evaluate.scoring import METRICS, check_metrics

    metrics = _chosen("--metric", asked.metric, METRICS)
    oracles = [] if asked.oracle is None else _chosen("--oracle", asked.oracle, ORACLES)
    check_metrics(metrics)
    runtimes = runtimes_of(plan)
    if len(runtimes) > 1:
        raise UsageError(f"--device {plan.devices}: evaluate runs on one device.")
    found = find_dataset(dataset, layout=asked.layout, subset=asked.subset, limit=asked.limit)
    for note in found.notes:
        show(Note(note))
    store = RecordFile(asked.output)
    sessions = _opened(asked, found, plan, runtimes, show)
    evaluation = Evaluation(found, _systems(oracles, sessions), metrics, store)
    num_failed = evaluation.run(show)
    show(Summarized(summarize(evaluation.records())))
    if len(found.tracks) == 1:
        show(Note("One track says nothing of others: no confidence intervals."))
    show(Talk(f"All figures, track by track: {display_path(asked.output.absolute())}"))
    return not num_failed


def _opened(
    asked: EvaluationOptions,
    dataset: Dataset,
    plan: RunPlan,
    runtimes: Sequence[Runtime],
    show: Show,
) -> list[Session]:
    """The models, and what is to be said about them and these songs."""
    from stemsplit.engine.session import open_session
    from stemsplit.evaluate.contamination import check_unheard
    from stemsplit.hub.expression import model_references

    models = list(dict.fromkeys(asked.models))
    if not asked.force:
        for name in (name for each in models for name in model_references(each)):
            check_unheard(name, dataset)
    sessions = [
        open_session(replace(plan, model=name), runtimes=runtimes, on_stage=preparing(show))
        for name in models
    ]
    for note in _doubts(models, sessions, dataset):
        show(Note(note))
    return sessions


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
