"""The reference implementation of BSS Eval v4, and the real song that it is run on."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from torch import Tensor

from stemsplit.evaluate.dataset import TrackAudio, load_track
from stemsplit.evaluate.find_tracks import find_dataset
from tests.audio.songs import SHARED_AUDIO

FALCON = SHARED_AUDIO / "falcon69.stem.mp4"

needs_falcon = pytest.mark.skipif(not FALCON.exists(), reason="the shared audio files are not here")

METRICS = ("sdr", "isr", "sir", "sar")


def museval_scores(references: Tensor, estimates: Tensor, *, sample_rate: int) -> np.ndarray:
    """SDR, ISR, SIR and SAR [4, S, N] of `museval` v4 with frames and hops of a second."""
    scores = _museval().bss_eval(
        references.double().numpy().transpose(0, 2, 1),  # [S, T, C]
        estimates.double().numpy().transpose(0, 2, 1),
        window=sample_rate,
        hop=sample_rate,
    )
    return np.stack(scores[:4])


@cache
def _museval() -> ModuleType:
    # The package itself cannot be imported without an ffmpeg program; this module needs only scipy.
    package = importlib.util.find_spec("museval")
    if package is None or not package.submodule_search_locations:
        pytest.skip("museval is not installed")
    path = Path(package.submodule_search_locations[0]) / "metrics.py"
    spec = importlib.util.spec_from_file_location("museval_metrics", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def falcon() -> TrackAudio:
    """Six seconds of a song of MUSDB18's test set."""
    return load_track(find_dataset(FALCON).tracks[0])
