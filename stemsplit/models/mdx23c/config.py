"""The configuration files that lie beside published MDX23C checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import Arguments
from stemsplit.models.blocks.run_settings import RunSettings, model_arguments, read_run_settings
from stemsplit.quoting import quoted

_FAMILY = "MDX23C"
_MODEL_SIGNATURE = (
    *("act", "bottleneck_factor", "growth", "norm", "num_blocks_per_scale", "num_channels"),
    *("num_scales", "num_subbands", "scale"),
)
# The other values of the section repeat these in other units, or matter to training only.
_AUDIO_SIGNATURE = ("n_fft", "hop_length", "dim_f", "num_channels")
_NORM = re.compile(r"(InstanceNorm|BatchNorm|GroupNorm)([1-9][0-9]{0,3})?")
_ACTIVATION = re.compile(r"(gelu|relu|elu)([0-9]{1,4}(?:\.[0-9]{1,6})?)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Mdx23cConfig:
    """The U-Net, and how it wants to be run."""

    run: RunSettings
    num_audio_channels: int
    n_fft: int
    hop_length: int
    num_bins: int
    """The lowest bins, which the network hears; it leaves those above silent."""
    num_subbands: int
    """The bins are cut into this many bands, which are stacked as channels."""
    num_channels: int
    growth: int
    """Channels that each level has more than the one above."""
    num_levels: int
    num_blocks: int
    bottleneck_factor: int
    frame_scale: int
    bin_scale: int
    norm: str
    num_norm_groups: int
    activation: str
    elu_alpha: float


def read_mdx23c_config(settings: Mapping[str, object]) -> Mdx23cConfig:
    """What the network needs of a configuration file.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or asks for a variant that
            is not implemented.
    """
    run = read_run_settings(_FAMILY, settings)
    model = model_arguments(_FAMILY, settings, _MODEL_SIGNATURE)
    audio = _audio_arguments(settings)
    frame_scale, bin_scale = model.integers("scale", (2, 2), low=1, high=8, length=2)
    norm, groups = _matched(settings, "norm", _NORM)
    activation, alpha = _matched(settings, "act", _ACTIVATION)
    if (norm == "GroupNorm") != bool(groups) or (activation == "elu") != bool(alpha):
        raise _unsupported(f"norm {norm}{groups} and activation {activation}{alpha}")
    return Mdx23cConfig(
        run=run,
        num_audio_channels=audio.integer("num_channels", 2, low=1, high=64),
        n_fft=audio.integer("n_fft", 0, low=4, high=1 << 16),
        hop_length=audio.integer("hop_length", 0, low=1, high=1 << 16),
        num_bins=audio.integer("dim_f", 0, low=1, high=1 << 15),
        num_subbands=model.integer("num_subbands", 0, low=1, high=1024),
        num_channels=model.integer("num_channels", 0, low=1, high=4096),
        growth=model.integer("growth", 0, low=0, high=4096),
        num_levels=model.integer("num_scales", 0, low=1, high=12),
        num_blocks=model.integer("num_blocks_per_scale", 0, low=1, high=32),
        bottleneck_factor=model.integer("bottleneck_factor", 0, low=1, high=1 << 15),
        frame_scale=frame_scale,
        bin_scale=bin_scale,
        norm=norm,
        num_norm_groups=int(groups or 1),
        activation=activation,
        elu_alpha=float(alpha or 1),
    )


def _audio_arguments(settings: Mapping[str, object]) -> Arguments:
    audio = settings["audio"]
    assert isinstance(audio, Mapping)  # read_run_settings has seen to that
    values = {name: audio[name] for name in _AUDIO_SIGNATURE if name in audio}
    return Arguments(_FAMILY, _AUDIO_SIGNATURE, (), values)


def _matched(
    settings: Mapping[str, object], name: str, pattern: re.Pattern[str]
) -> tuple[str, str]:
    """Kind and number that the text called `name` in the section `model` consists of."""
    model = settings["model"]
    value = model.get(name) if isinstance(model, Mapping) else None
    match = pattern.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _unsupported(f"{name}={quoted(value)}")
    return match[1], match[2] or ""


def _unsupported(what: str) -> CheckpointError:
    return CheckpointError(
        f"The configuration of the {_FAMILY} checkpoint has {what}, which stemsplit does not "
        "implement.",
        hint="Use another checkpoint, or the software that this one was made with.",
    )
