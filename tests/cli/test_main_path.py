"""How far it is from the command to the network."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from torch import Tensor

import stemsplit as package
from stemsplit.models.spectral.model import SpectralSeparator
from tests.cli.conftest import Stemsplit

OURS = str(Path(package.__file__).parent)

MAX_FRAMES = 23
MAX_FILES = 17
"""The least that the idea needs: command, run, job, chain, loop, estimate, queue, network."""


def own_frames(frame: FrameType | None) -> Iterator[FrameType]:
    """Those of the package, but for comprehensions, which are frames before Python 3.12 only."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(OURS) and frame.f_code.co_name != "<listcomp>":
            yield frame
        frame = frame.f_back


def test_few_hops_lead_from_the_command_to_the_network(
    stemsplit: Stemsplit, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[FrameType]] = []
    forward = SpectralSeparator.forward

    def spy(self: SpectralSeparator, mixture: Tensor) -> Tensor:
        seen.append(list(own_frames(sys._getframe(1))))
        return forward(self, mixture)

    monkeypatch.setattr(SpectralSeparator, "forward", spy)
    assert stemsplit(song, "-m", "spectral").exit_code == 0
    (frames, *_) = seen
    names = [f"{Path(each.f_code.co_filename).stem}.{each.f_code.co_name}" for each in frames]
    assert len(frames) <= MAX_FRAMES - 2, names  # `__main__` has two more
    assert len({each.f_code.co_filename for each in frames}) <= MAX_FILES - 1, names
