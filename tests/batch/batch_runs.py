"""Small batches in processes of their own, which may be killed.

The processes are forked off a server that has imported torch, so that each starts in milliseconds.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from stemsplit.audio.encode.encoders import Encoding
from stemsplit.batch.discover import discover
from stemsplit.batch.events import Event, Finished
from stemsplit.batch.job import Job
from stemsplit.batch.local import run_jobs
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.chain import Chain
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.session import Session
from stemsplit.models.spectral.model import SpectralSeparator
from tests.engine.toy_models import model_of

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])

# What Python reports before it changes something on a disk.
_CHANGES = {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir"}


def run_batch(
    songs: Path,
    output: Path,
    *,
    container: str = "flac",
    overwrite: bool = False,
    residual: bool = False,
    on_step: Callable[[], None] = lambda: None,
) -> list[tuple[str, str]]:
    """The name and the status of each song, in the order in which they were finished."""
    torch.set_num_threads(1)
    session = Session(
        chain=Chain(
            model=model_of(SpectralSeparator()), options=SeparationOptions(residual=residual)
        ),
        runtime=choose_runtime(device="cpu"),
    )
    jobs = [
        Job(
            song=song,
            output_dir=output,
            template="{model}/{dir}/{track}/{stem}.out",
            encoding=Encoding(container=container, subtype="16"),  # type: ignore[arg-type]
            clip="common",
            overwrite=overwrite,
        )
        for song in discover([songs]).songs
    ]
    finished: list[tuple[str, str]] = []

    def show(event: Event) -> None:
        if isinstance(event, Finished):
            finished.append((event.result.input.name, event.result.status))
        else:
            on_step()

    run_jobs(jobs, session, show)
    return finished


def run_until_change(songs: Path, output: Path, container: str, number: int) -> None:
    """Runs a batch, and kills this process just before its n-th change below `output`."""
    num_changes = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal num_changes
        if event not in _CHANGES or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        if os.fsdecode(arguments[0]).startswith(str(output)):
            num_changes += 1
            if num_changes == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    run_batch(songs, output, container=container)


def run_and_tell(songs: Path, output: Path, together: object, results: object) -> None:
    """Waits for the others, runs a batch, and puts what became of it into a queue."""
    together.wait()  # type: ignore[attr-defined]
    results.put(run_batch(songs, output))  # type: ignore[attr-defined]


def tree(folder: Path) -> dict[str, object]:
    """Everything below the folder by its name: bytes, and records without what was measured."""
    content: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        content[name] = path.read_bytes() if path.is_file() else None
        if path.name == "stemsplit.json":
            record = json.loads(path.read_text())
            assert record.pop("measured")["seconds"] > 0
            content[name] = record
    return content
