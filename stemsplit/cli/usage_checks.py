"""What can be wrong with a command line, found before torch is imported, which takes a second."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from stemsplit.audio.addresses import as_address
from stemsplit.audio.file_names import display_path
from stemsplit.batch.inputs import named_songs
from stemsplit.batch.song import Song
from stemsplit.cli.pipes import check_single
from stemsplit.engine.options import choose_outputs
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.preference import check_permissive
from stemsplit.engine.steps import first_parents
from stemsplit.errors import UsageError
from stemsplit.hub.catalog import Task, load_catalog
from stemsplit.hub.choose import choose
from stemsplit.hub.expression import catalogue_stems

_SPEAKER = re.compile(r"speaker\d+")


def check_models(models: Sequence[str], plan: RunPlan) -> None:
    """Tries the names of the models, and the stems of those that the catalogue knows.

    Without a name, tries whether there is a model to choose. Those of the steps are in the plan.

    Raises:
        UnknownModelError: neither the catalogue nor the disk has a model of that name.
        UnknownStemError: a model does not have a stem that is asked of it.
        UsageError: the models and the options exclude each other.
    """
    parents = first_parents([parent for parent, _ in plan.then])
    if not models:
        wanted = plan.preference.requirements(plan.options, device="cpu")
        choose(wanted, load_catalog().values())
    for model in models:
        plan.preference.check_named(model)
        stems = _stems_for(plan.task, model)
        if stems is not None:
            choose_outputs(stems, plan.options, parents)
    for _, model in plan.then:
        catalogue_stems(model)
        if plan.preference.permissive:
            check_permissive(model)


def _stems_for(task: Task, model: str) -> tuple[str, ...] | None:
    """What the model has for the task, if it is in the catalogue: of speakers, one is extracted."""
    stems = catalogue_stems(model)
    if stems is None or task != "extract" or not all(map(_SPEAKER.fullmatch, stems)):
        return stems
    return ("target", "rest")


def check_there(path: Path) -> None:
    """Raises UsageError unless there is a file or folder."""
    if not os.path.lexists(path):
        raise UsageError(
            f"There is no file or folder {display_path(path)}.",
            hint="Check the spelling and the folder.",
        )


def check_one_output(inputs: Sequence[Path], models: Sequence[str], plan: RunPlan) -> None:
    """Raises UsageError if what goes to stdout is more than one file, as far as is known by now."""
    stems = _stems_for(plan.task, models[0]) if models else None
    if stems is not None and not plan.options.stem_file:
        outputs = [output.name for output in choose_outputs(stems, plan.options)]
        check_single(outputs * len(set(inputs)))


def check_preview(*, preview: bool, models: Sequence[str], **excluded: bool) -> None:
    """Raises UsageError if something was given that --preview excludes, or that needs it."""
    if not preview and len(models) > 1:
        raise UsageError(
            f"--model was given {len(models)} times: {', '.join(models)}.",
            hint="Give one, or add --preview to compare them.",
        )
    for name, given in excluded.items():
        if preview and given:
            raise UsageError(
                f"--{name.replace('_', '-')} and --preview exclude each other.",
                hint="--preview chooses the part itself, and separates nothing else.",
            )


def check_pages(*, with_pages: bool, embed: bool, open_page: bool | None) -> None:
    """Raises UsageError for options about a page where there will be none."""
    if (embed or open_page) and not with_pages:
        raise UsageError(
            f"{'--embed' if embed else '--open'} is about a page, and none was asked for.",
            hint="Add --report or --preview.",
        )


def check_output(output: Path, *, is_folder: bool = True) -> None:
    """Raises UsageError if the output was to go to another machine, or below a file."""
    if str(output) == "-":
        return
    address = as_address(output)
    if address is not None and "://" in address and not output.exists():
        raise UsageError(
            f"-o {address} is an address on the network (a URL), and no folder.",
            hint="Write to a folder of this machine, and copy the stems from there.",
        )
    for path in (output, *output.parents) if is_folder else output.parents:
        if os.path.lexists(path) and not os.path.isdir(path):  # noqa: PTH112 - as below
            raise UsageError(
                f"{display_path(path)} is a file, and a folder is needed there.",
                hint="Choose another `folder`.",
            )


def hopeless(inputs: Sequence[Path]) -> list[Song]:
    """All inputs as songs with their problems, if none of them can be read; else nothing."""
    songs = []
    for path in inputs:
        if os.path.isdir(path) or str(path) == "-":  # noqa: PTH112 - raises for names too long
            return []
        for song in named_songs(path):
            if song.problem is None:
                return []
            songs.append(song)
    return songs
