"""The configuration files that lie beside published SCNet checkpoints.

Two forms are in use. Most checkpoints come with a file of the community's training software; those
of the network's author come with one whose sections are called `data` and `model`. They stand for
different ways to run a network, and for two versions of it: the author's present one standardises
the spectrogram, the community's does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS, Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of
from stemsplit.models.blocks.run_settings import RunSettings, model_arguments, read_run_settings
from stemsplit.models.spec import MUSDB18_STEMS, InputScaling

_FAMILY = "SCNet"

# How the author's program cuts a song, whatever the network was trained on.
_AUTHORS_CHUNK_SECONDS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class BandConfig:
    """One of the bands that the bins are divided into, from low to high.

    It has a `share` of all bins, of which `stride` become one; `depth` residual layers follow.
    """

    share: float
    stride: int
    kernel_size: int
    depth: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SCNetConfig:
    """The network, and how it wants to be run."""

    run: RunSettings
    masked: bool
    """The variant whose output is masks for the mixture's spectrogram, not spectrograms."""
    standardize_spectrogram: bool
    num_audio_channels: int = arg("audio_channels", 2, low=1, high=64)
    n_fft: int = arg("nfft", 4096, low=32, high=1 << 17)
    hop_length: int = arg(
        "hop_size", 1024, low=lambda c: max(1, c["n_fft"] // 64), high=lambda c: c["n_fft"] // 2
    )
    unitary: bool = arg("normalized", True)
    """The transform of one frame is scaled to be unitary."""
    widths: tuple[int, ...] = arg("dims", (4, 32, 64, 128), low=1, high=4096)
    """Channels of the spectrogram and of each level."""
    shares: tuple[float, ...] = arg("band_SR", (0.175, 0.392, 0.433), low=0, high=1, length=3)
    strides: tuple[int, ...] = arg("band_stride", (1, 4, 16), low=1, high=256, length=3)
    kernel_sizes: tuple[int, ...] = arg("band_kernel", (3, 4, 16), low=1, high=256, length=3)
    depths: tuple[int, ...] = arg("conv_depths", (3, 2, 1), low=0, high=16, length=3)
    compress: float = arg("compress", 4, low=1, high=4096)
    kernel_size: int = arg("conv_kernel", 3, low=1, high=63)
    num_dual_path_layers: int = arg("num_dplayer", 6, low=2, high=64)
    expand: int = arg("expand", 1, low=1, high=16)

    @property
    def bands(self) -> tuple[BandConfig, ...]:
        columns = (self.shares, self.strides, self.kernel_sizes, self.depths)
        return tuple(
            BandConfig(share=share, stride=stride, kernel_size=kernel_size, depth=depth)
            for share, stride, kernel_size, depth in zip(*columns, strict=True)
        )


_read_fields = declared_reader(SCNetConfig)


def read_scnet_config(settings: Mapping[str, object], *, masked: bool = False) -> SCNetConfig:
    """What the network needs of a configuration file.

    The file does not say whether the network is the `masked` variant: the software that it was
    written for is told on its command line. The checkpoint's tensors do: see `has_masks`.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or asks for a network that
            is not SCNet.
    """
    known = [*names_of(SCNetConfig), "sources", "win_size"]
    arguments = model_arguments(_FAMILY, settings, known)
    authors = "data" in settings and "audio" not in settings
    sources = MUSDB18_STEMS if arguments.is_none("sources") else arguments.stems()
    run = _authors_run(settings, sources) if authors else read_run_settings(_FAMILY, settings)
    if len(run.stems) != len(sources):
        raise _unbuildable(f"{len(sources)} sources and {len(run.stems)} names for them")
    config = _read_fields(arguments, run=run, masked=masked, standardize_spectrogram=authors)
    arguments.require("win_size", 4096, config.n_fft)
    _check(config)
    return config


def _authors_run(settings: Mapping[str, object], stems: tuple[str, ...]) -> RunSettings:
    data = settings["data"]
    rate = data.get("samplerate") if isinstance(data, Mapping) else None
    arguments = Arguments(_FAMILY, ["samplerate"], (), {"samplerate": rate})
    sample_rate = arguments.integer("samplerate", 0, low=1000, high=768_000)
    chunk_samples = _AUTHORS_CHUNK_SECONDS * sample_rate
    return RunSettings(
        stems=stems,
        residual_stem=None,
        sample_rate=sample_rate,
        chunking=ChunkPolicy(chunk_samples=chunk_samples, overlap_samples=chunk_samples // 2),
        scaling=InputScaling(),
    )


def _check(config: SCNetConfig) -> None:
    """Refuses what each value allows but all of them together do not."""
    widths = list(config.widths)
    if len(widths) < 2 or widths[0] != 2 * config.num_audio_channels:
        raise _unbuildable(f"dims={widths} for {config.num_audio_channels} audio channels")
    if min(widths[1:]) < config.compress:
        raise _unbuildable(f"dims={widths}, compressed by {config.compress}")
    if 2 * widths[-1] * config.expand > MAX_LAYER_CHANNELS:
        raise _unbuildable(f"dims={widths}, expanded by {config.expand}")
    if config.num_dual_path_layers % 2 or config.kernel_size % 2 == 0:
        raise _unbuildable(
            f"num_dplayer={config.num_dual_path_layers} and conv_kernel={config.kernel_size} "
            "(an even and an odd number are needed)"
        )


def _unbuildable(what: str) -> CheckpointError:
    return CheckpointError(
        f"The configuration of the {_FAMILY} checkpoint has {what}: no such network can be built.",
        hint="It is damaged, or belongs to other software; fetch it again.",
    )
