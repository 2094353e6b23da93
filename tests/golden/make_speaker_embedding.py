"""Makes speaker_embedding.npz with the package Resemblyzer 0.1.4.

    python -m tests.golden.make_speaker_embedding WHEEL_UNPACKED

Wants librosa 0.11; of the other requirements, which only cut pauses out, nothing is needed. What is
heard are `tests.models.takes`, and the weights, by default, `tests.models.deterministic_weights`.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from tests.models.deterministic_weights import fill_by_name
from tests.models.takes import TAKES

LENGTHS = {"short": 5_000, "long": 57_000}
PUBLISHED = ("voice", "noise", "very_quiet_voice")
"""Those that the published weights hear, at the longer length."""


def _package(folder: str) -> Any:
    sys.path.insert(0, folder)
    absent = {
        "webrtcvad": types.ModuleType("webrtcvad"),
        "scipy.ndimage.morphology": mock.MagicMock(),
    }
    with mock.patch.dict(sys.modules, absent):
        return importlib.import_module("resemblyzer.voice_encoder")


if __name__ == "__main__":
    package = _package(sys.argv[1])
    encoder = package.VoiceEncoder("cpu", verbose=False)

    def embedding(name: str, num_samples: int) -> np.ndarray:
        take = TAKES[name](num_samples)[0].numpy()
        if take.any():
            take = package.audio.normalize_volume(take, -30, increase_only=True)
        return encoder.embed_utterance(take)

    vectors = {f"published.{name}": embedding(name, LENGTHS["long"]) for name in PUBLISHED}
    fill_by_name(encoder)
    for length, num_samples in LENGTHS.items():
        vectors |= {f"{length}.{name}": embedding(name, num_samples) for name in TAKES}
    np.savez_compressed(Path(__file__).with_name("speaker_embedding.npz"), **vectors)
