"""The parameters of a ResUNetDecouple+, under the names of its authors' training program.

Its configurations are YAML files with the sections `train` and `evaluate`, of which little is about
the network itself: most of that is fixed by the `model_type`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of

NUM_SUB_BANDS = 4
NUM_LEVELS = 6
TIME_HALVINGS = 5
"""The innermost level halves the bins alone."""

RELEASED_STEMS = ("vocals", "accompaniment")
MODEL_TYPES = _RESUNET, _MOBILENET = "ResUNet143_Subbandtime", "MobileNet_Subbandtime"
_WIDTHS = {_RESUNET: (32, 64, 128, 256, 384, 384), _MOBILENET: (32, 64, 64, 64, 64, 64)}
_MARKS = {"encoder_block1.conv_block1.conv1.weight": _RESUNET} | {
    "encoder_block1.conv_block.conv1a.weight": _MOBILENET
}

_STEM_IN_NAME = re.compile(rf"(?:^|[^a-z])({'|'.join(RELEASED_STEMS)})(?=$|[^a-z])")


def released_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:
    """The configuration of the authors' checkpoints that lie without theirs; None for others.

    Raises:
        CheckpointError: it is one, but its name does not say which stem it is for.
    """
    types = {kind for mark, kind in _MARKS.items() if mark in tensors}
    if len(types) != 1 or "pqmf.ana_conv_filter.weight" not in tensors:
        return None
    stems = set(_STEM_IN_NAME.findall(file_name.lower()))
    if len(stems) != 1:
        raise CheckpointError(
            f"{file_name} is a ResUNetDecouple+, which does not say which stem it is for.",
            hint="Have the stem in the file's name: vocals or accompaniment.",
        )
    return released_settings(types.pop(), stems.pop())


def released_settings(model_type: str, stem: str) -> dict[str, object]:
    """The configuration of a published network, as far as it matters here."""
    return {
        "task_name": "musdb18",
        "train": {"model_type": model_type, "target_source_types": [stem]},
        "evaluate": {},
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class ResUnetConfig:
    """The network and how it is run."""

    model_type: Literal["ResUNet143_Subbandtime", "MobileNet_Subbandtime"] = arg(
        "model_type", _RESUNET
    )
    stems: tuple[str, ...] = arg("target_source_types")
    sample_rate: int = arg("sample_rate", 44100, low=1000, high=768_000)
    num_channels: int = arg("input_channels", 2, low=1, high=2)
    n_fft: int = arg("window_size", 512, low=128, high=1 << 14)
    hop_length: int = arg("hop_size", 110, low=1, high=1 << 13)
    widths: tuple[int, ...] = arg(
        "channels", _WIDTHS[_RESUNET], low=1, high=1024, length=NUM_LEVELS
    )
    """Of the levels, from the outermost one to the innermost."""
    segment_seconds: float = arg("segment_seconds", 30.0, low=0.001, high=600)

    @property
    def segment_samples(self) -> int:
        return int(self.sample_rate * self.segment_seconds)

    @property
    def is_mobile(self) -> bool:
        """Whether convolutions are split into pointwise and depthwise ones, and there are fewer."""
        return self.model_type == _MOBILENET


_read_declared = declared_reader(ResUnetConfig)


def read_resunet_config(settings: Mapping[str, object]) -> ResUnetConfig:
    """The parameters in a configuration.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or the network is one of
            the training program's others.
    """
    train, evaluate = _section(settings, "train"), _section(settings, "evaluate")
    given = {
        "channels": _WIDTHS[_MOBILENET if train.get("model_type") == _MOBILENET else _RESUNET],
        **train,
        # The section `train` has a length of segments, too: that of training.
        "segment_seconds": evaluate.get("segment_seconds", 30.0),
    }
    names = (*names_of(ResUnetConfig), "output_channels")
    arguments = Arguments.chosen("ResUNetDecouple+", names, given)
    config = _read_declared(arguments)
    arguments.require("output_channels", config.num_channels, config.num_channels)
    return config


def _section(settings: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = settings.get(name)
    if not isinstance(section, Mapping):
        raise CheckpointError(
            f"The configuration of the ResUNetDecouple+ checkpoint has no section '{name}'.",
            hint="It is damaged, or belongs to other software; fetch it again.",
        )
    return section
