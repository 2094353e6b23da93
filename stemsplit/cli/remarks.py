"""What is said of the songs before any is separated: what was passed over, and why."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stemsplit.audio.file_names import display_path
from stemsplit.cli.options.stem_files import FileOptions
from stemsplit.cli.printer.command_events import Remark
from stemsplit.cli.printer.sink import Show
from stemsplit.engine.note import Note
from stemsplit.quoting import counted, listed

if TYPE_CHECKING:
    from stemsplit.batch.discover import Discovery
    from stemsplit.engine.ensemble import Ensemble

_FULL_BAND = 32000
"""Hz. Half of it is less than the ear hears and more than speech needs."""


def note_rate(files: FileOptions, show: Show) -> None:
    """That the format has one rate, if nobody asked for it."""
    encoding = files.encoding()
    if encoding.only_sample_rate and files.sample_rate == "source":
        rate = encoding.only_sample_rate
        show(Remark(f"The stems have a sample rate of {rate} Hz, the only one of {encoding}."))


def note_band(model: Ensemble, show: Show) -> None:
    """That the model is deaf to what music may have."""
    if model.sample_rate < _FULL_BAND:
        highest = f"{model.sample_rate / 2000:g} kHz"
        show(Remark(f"{model.name} hears nothing above {highest}, and has nothing to say there."))


def note_suspects(suspects: Sequence[Path], show: Show) -> None:
    """That an earlier run may have died of a song."""
    if suspects:
        names = listed(map(display_path, suspects))
        how = "tried last, in a process of its own"
        show(Note(f"An earlier run died while reading {names}: {how}."))


def note_passed_over(found: Discovery, show: Show) -> None:
    """What of the folders and lists is no song, or not for us."""
    if found.num_skipped:
        files = counted(found.num_skipped, "file in the folders is", "files in the folders are")
        show(Remark(f"{files} not audio: passed over."))
    if found.num_ours:
        files = counted(found.num_ours, "file is an output", "files are outputs")
        show(Remark(f"{files} of earlier runs: passed over."))
    if found.sheets:
        what = "cuts a file into tracks, if you name it"
        if len(found.sheets) > 1:
            what = "cut files into tracks, if you name them"
        names = listed(map(display_path, found.sheets))
        show(Remark(f"{names} {what}: `stemsplit {shlex.quote(str(found.sheets[0]))}`."))
    for note in found.notes:
        show(Note(note))
    for folder in found.unreadable:
        show(Note(f"{folder} may not be read by this user: passed over."))
    for link in found.dangling:
        show(Note(f"{link} is a link to nothing: passed over."))
