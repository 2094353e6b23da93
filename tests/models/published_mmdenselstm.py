"""MMDenseLSTM with weights by name, in files as its training program writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tests.golden import make_mmdenselstm
from tests.golden.make_mmdenselstm import CASES, HOP, N_FFT, PATCH_FRAMES

_PUBLISHED = json.loads(Path(make_mmdenselstm.__file__).with_name("mmdenselstm.json").read_text())


def values_of(position: str) -> dict[str, Any]:
    """What the file of each stem says beside the weights."""
    sizes = {"n_fft": N_FFT, "hop_length": HOP, "patch_size": PATCH_FRAMES, "window_fn": "hann"}
    return {**_PUBLISHED[position]["config"], **sizes, "sample_rate": 44100}


def settings_of(position: str) -> dict[str, Any]:
    """The same of all stems, as one description."""
    return {"mmdenselstm": {stem: values_of(position) for stem in CASES[position]}}


def tensors_of(position: str, stem: str) -> dict[str, Tensor]:
    """All that the stem's file has, under its names."""
    return make_mmdenselstm.weights(stem, _PUBLISHED[position]["shapes"])


def write_folder(folder: Path, position: str, *, file: str = "best.pth") -> None:
    """A folder for each stem with its file, and what else training has written into it."""
    for stem in CASES[position]:
        (folder / stem).mkdir(parents=True)
        tensors = tensors_of(position, stem)
        package = {
            **values_of(position),
            "state_dict": tensors,
            "optim_dict": {"state": {0: {"step": 3, "exp_avg": torch.zeros(3)}}},
            "best_loss": 0.25,
            "train_loss": torch.zeros(50),
            "epoch": 50,
        }
        torch.save(package, folder / stem / file)
