"""The configuration files that lie beside published MDX23C checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of
from stemsplit.models.blocks.run_settings import RunSettings, model_arguments, read_run_settings
from stemsplit.quoting import quoted

_FAMILY = "MDX23C"
_NORM = re.compile(r"(InstanceNorm|BatchNorm|GroupNorm)([1-9][0-9]{0,3})?")
_ACTIVATION = re.compile(r"(gelu|relu|elu)([0-9]{1,4}(?:\.[0-9]{1,6})?)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioSection:
    """What the section `audio` says to the network. Its other values repeat those of other
    sections in other units, or matter to training only."""

    num_audio_channels: int = arg("num_channels", 2, low=1, high=64)
    n_fft: int = arg("n_fft", low=4, high=1 << 16)
    hop_length: int = arg("hop_length", low=1, high=1 << 16)
    num_bins: int = arg("dim_f", low=1, high=1 << 15)
    """The lowest bins, which the network hears; it leaves those above silent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mdx23cConfig(AudioSection):
    """The U-Net, and how it wants to be run."""

    run: RunSettings
    num_subbands: int = arg("num_subbands", low=1, high=1024)
    """The bins are cut into this many bands, which are stacked as channels."""
    num_channels: int = arg("num_channels", low=1, high=4096)
    growth: int = arg("growth", low=0, high=4096)
    """Channels that each level has more than the one above."""
    num_levels: int = arg("num_scales", low=1, high=12)
    num_blocks: int = arg("num_blocks_per_scale", low=1, high=32)
    bottleneck_factor: int = arg("bottleneck_factor", low=1, high=1 << 15)
    scales: tuple[int, int] = arg("scale", (2, 2), low=1, high=8)
    """Of frames and of bins, from level to level."""
    norm: str
    num_norm_groups: int
    activation: str
    elu_alpha: float


_read_audio = declared_reader(AudioSection)
_read_fields = declared_reader(Mdx23cConfig)


def read_mdx23c_config(settings: Mapping[str, object]) -> Mdx23cConfig:
    """What the network needs of a configuration file.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or asks for a variant that
            is not implemented.
    """
    run = read_run_settings(_FAMILY, settings)
    own_names = names_of(Mdx23cConfig, besides=AudioSection)
    model = model_arguments(_FAMILY, settings, [*own_names, "act", "norm"])
    audio = settings["audio"]
    assert isinstance(audio, Mapping)  # read_run_settings has seen to that
    audio_arguments = Arguments.chosen(_FAMILY, names_of(AudioSection), audio)
    norm, groups = _matched(settings, "norm", _NORM)
    activation, alpha = _matched(settings, "act", _ACTIVATION)
    if (norm == "GroupNorm") != bool(groups) or (activation == "elu") != bool(alpha):
        raise _unsupported(f"norm {norm}{groups} and activation {activation}{alpha}")
    return _read_fields(
        model,
        **asdict(_read_audio(audio_arguments)),
        run=run,
        norm=norm,
        num_norm_groups=int(groups or 1),
        activation=activation,
        elu_alpha=float(alpha or 1),
    )


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
