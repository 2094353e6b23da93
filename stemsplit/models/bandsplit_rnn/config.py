"""The `hparams.yaml` that lies beside published Band-Split RNN checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS, Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of
from stemsplit.models.blocks.run_settings import model_arguments
from stemsplit.quoting import quoted

_FAMILY = "Band-Split RNN"
_FIXED = {
    "bottleneck_layer": "rnn",
    "rnn_type": "LSTM",
    "complex_as_channel": True,
    "return_mask": False,
}
_MAX_N_FFT = 1 << 16
_MAX_BANDS = 1024
_MAX_HERTZ = 400_000

MaskOrder = Literal["bins", "frames"]
"""How the values of a band's mask come out of its network, [N, 2C * F] of a chunk.

`bins`: frame by frame, each with its [C, 2, F], as one expects. `frames`: in a row they are
[C, 2, F, N], so that a frame's outputs belong to other frames. That was a slip of the training
software, mended in July 2023; the networks that had been trained with it have learned to live with
it, and are nothing without.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunArguments:
    """How a track is separated: the section `audio_params`, or `test_dataset` of a training."""

    stem: str = arg("target", "vocals")
    window_seconds: float = arg("win_size", low=0.001, high=60)
    step_seconds: float = arg("hop_size", low=0.001, high=lambda c: c["window_seconds"])


@dataclass(frozen=True, kw_only=True, slots=True)
class BandSplitRnnConfig:
    """The network of one stem, and how it is run."""

    run: RunArguments
    hop_length: int
    sample_rate: int = arg("sr", 44100, low=1000, high=_MAX_HERTZ)
    n_fft: int = arg("n_fft", 2048, low=16, high=_MAX_N_FFT)
    splits: tuple[int, ...] = arg("bandsplits", low=1, high=_MAX_HERTZ)
    """Pairs: up to this frequency, in Hz, bands are this wide; what is above is one band."""
    num_frames: int = arg("t_timesteps", low=2, high=_MAX_N_FFT)
    """In a chunk: the network has weights for each of them."""
    is_mono: bool = arg("is_mono", False)
    dim: int = arg("fc_dim", low=1, high=MAX_LAYER_CHANNELS)
    hidden: int = arg("rnn_dim", low=1, high=MAX_LAYER_CHANNELS // 8)
    bidirectional: bool = arg("bidirectional", True)
    num_layers: int = arg("num_layers", low=1, high=64)
    mask_hidden: int = arg("mlp_dim", low=1, high=MAX_LAYER_CHANNELS)
    mask_order: MaskOrder = arg("mask_order", "bins")
    """Not in published files: see `_with_mask_order`."""

    @property
    def num_channels(self) -> int:
        return 1 if self.is_mono else 2

    @property
    def bands(self) -> tuple[range, ...]:
        """The bins of each band, which are all bins together.

        Raises:
            ValueError: a band has none.
        """
        bands: list[range] = []
        start = previous_end = 0
        num_bins = self.n_fft // 2 + 1
        for end, step in zip(self.splits[::2], self.splits[1::2], strict=True):
            num_bands = -(-(end - previous_end) // step)
            if num_bands < 1 or len(bands) + num_bands > _MAX_BANDS:
                raise ValueError(f"{num_bands} bands of {step} Hz from {previous_end} to {end} Hz")
            for index in range(num_bands):
                hertz = previous_end + (index + 1) * step
                # The first bin that is not below the band's end.
                stop = min(-(-hertz * self.n_fft // self.sample_rate), num_bins)
                bands.append(range(start, stop))
                start = stop
            previous_end = end
        bands.append(range(start, num_bins))
        if not all(bands):
            raise ValueError("a band has no bins")
        return tuple(bands)

    @property
    def chunk_samples(self) -> int:
        """What the network hears at once."""
        return self._window_samples + self._padding_samples

    @property
    def step_samples(self) -> int:
        """How far chunks are apart. The padding counts here as well: so does the software."""
        return int(self.run.step_seconds * self.sample_rate) + self._padding_samples

    @property
    def _window_samples(self) -> int:
        return int(self.run.window_seconds * self.sample_rate)

    @property
    def _padding_samples(self) -> int:
        """What brings a chunk to whole steps of the transform."""
        return self.n_fft - self._window_samples % self.hop_length


_read_run = declared_reader(RunArguments)
_read_network = declared_reader(BandSplitRnnConfig)


def read_bandsplit_rnn_config(settings: Mapping[str, object]) -> BandSplitRnnConfig:
    """What the network needs of its `hparams.yaml`.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or asks for a variant that
            is not implemented.
    """
    sections = _with_mask_order(settings)
    network = model_arguments(_FAMILY, sections, [*names_of(BandSplitRnnConfig), *_FIXED])
    network.require_all(_FIXED)
    run = Arguments.chosen(_FAMILY, [*names_of(RunArguments), "window"], _run_section(settings))
    run.require("window", None, None)
    transform = _transform_arguments(settings)
    hop_length = transform.integer("hop_length", None, low=1, high=_MAX_N_FFT)
    config = _read_network(network, run=_read_run(run), hop_length=hop_length)
    for name in ("n_fft", "win_length"):
        transform.require(name, config.n_fft, config.n_fft)
    return config


def _with_mask_order(settings: Mapping[str, object]) -> dict[str, object]:
    """The sections, of which `model` has one more argument, and pairs as a row of numbers.

    Only the fork of the training software that never had the slip mended writes `wandb_api_key`.
    """
    model = settings.get("model")
    if not isinstance(model, Mapping):
        return dict(settings)
    splits = model.get("bandsplits")
    if isinstance(splits, list | tuple):
        if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in splits):
            raise _malformed("bandsplits", splits, "pairs of numbers")
        splits = [number for pair in splits for number in pair]
    order: MaskOrder = "frames" if "wandb_api_key" in settings else "bins"
    return {**settings, "model": {"mask_order": order, **model, "bandsplits": splits}}


def _run_section(settings: Mapping[str, object]) -> Mapping[str, object]:
    for name in ("audio_params", "test_dataset"):
        section = settings.get(name)
        if isinstance(section, Mapping):
            return section
    raise _malformed("audio_params", settings.get("audio_params"), "a section")


def _transform_arguments(settings: Mapping[str, object]) -> Arguments:
    section: object = settings
    for name in ("featurizer", "direct_transform"):
        section = section.get(name) if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping):
        raise _malformed("featurizer", settings.get("featurizer"), "a section direct_transform")
    arguments = Arguments(
        _FAMILY, ["_target_", "n_fft", "win_length", "hop_length", "power"], (), section
    )
    arguments.require("power", None, None)
    return arguments


def _malformed(name: str, value: object, wanted: str) -> CheckpointError:
    return CheckpointError(
        f"The configuration of the {_FAMILY} checkpoint has {name}={quoted(value)}; "
        f"expected {wanted}.",
        hint="Take the hparams.yaml that the checkpoint was published with.",
    )
