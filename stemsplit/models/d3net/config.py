"""What the files beside D3Net's networks say of them.

For each stem the authors' program has a `{stem}.yaml`. The networks that they published come
without these files, since the program knows them by the stem's name: see `released`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of
from stemsplit.quoting import quoted

SECTION = "d3net"
"""Of the settings: a configuration for each stem, by its name."""

_FAMILY = "D3Net"
_MAX_WIDTH = 512
_MAX_LAYERS = 16
_MAX_BANDS = 16
_HINT = "Use the .yaml files of the program that trained the networks."
_FULL_BAND = {
    "num_init_features": "f_num_init_features",
    "dens_k": "f_dens_k",
    "num_layer_blocks": "f_num_layer_block",
    "b_n_blocks": "f_n_blocks",
    "comp_rates": "f_comp_rates",
}
"""What lists of bands are called for the network of all bins, which is one alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BandUNetConfig:
    """The network of one band, or of all bins: a U-Net of nested blocks."""

    first_width: int = arg("num_init_features", low=1, high=_MAX_WIDTH)
    widths: tuple[int, ...] = arg("dens_k", low=1, high=_MAX_WIDTH)
    """Of the nested blocks' outputs: down, at the lowest level, and up."""
    num_layers: tuple[int, ...] = arg("num_layer_blocks", low=1, high=_MAX_LAYERS)
    """Of the dense blocks in each of them."""
    num_blocks: tuple[int, ...] = arg("b_n_blocks", low=1, high=_MAX_LAYERS)
    """How many dense blocks each of them has: all the same."""
    compression: tuple[float, ...] = arg("comp_rates", low=1, high=1)

    @property
    def num_levels(self) -> int:
        """How often frames and bins are halved."""
        return len(self.widths) // 2


@dataclass(frozen=True, kw_only=True, slots=True)
class MagnitudesConfig:
    """The magnitudes that the networks hear."""

    sample_rate: int = arg("fs", 44100, low=1000, high=768_000)
    num_channels: int = arg("n_channels", 2, low=2, high=2)
    n_fft: int = arg("fft_size", 4096, low=16, high=1 << 16)
    hop_length: int = arg(
        "hop_size", 1024, low=lambda c: max(1, c["n_fft"] // 64), high=lambda c: c["n_fft"] // 2
    )

    @property
    def num_bins(self) -> int:
        return self.n_fft // 2 + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class StemConfig:
    """The network of one stem."""

    spectrogram: MagnitudesConfig
    num_heard_bins: int = arg(
        "valid_signal_idx", low=2, high=lambda c: c["spectrogram"].n_fft // 2 + 1
    )
    """It hears and estimates these lowest ones; of those above, each stem has all."""
    splits: tuple[int, ...] = arg("band_split_idxs", low=1, high=lambda c: c["num_heard_bins"] - 1)
    """The first bin of each band but the lowest."""
    bands: tuple[BandUNetConfig, ...]
    full: BandUNetConfig
    """Of the network that hears all bands together."""
    num_final_layers: int = arg("ttl_num_layer_block", low=1, high=_MAX_LAYERS)
    final_width: int = arg("ttl_dens_k", low=1, high=_MAX_WIDTH)
    patch_frames: int = arg("test_patch_len", low=2, high=1 << 14)
    """What it hears at a time."""
    shift_frames: int = arg(
        "out_shift", low=lambda c: max(1, c["patch_frames"] // 8), high=lambda c: c["patch_frames"]
    )
    """How far one patch is from the next; each frame's estimate is the mean of all its patches."""

    @property
    def band_bins(self) -> list[int]:
        """How many bins each band has."""
        edges = (0, *self.splits, self.num_heard_bins)
        return [high - low for low, high in itertools.pairwise(edges)]


@dataclass(frozen=True, kw_only=True, slots=True)
class D3NetConfig:
    """The networks, one for each stem in order."""

    stems: tuple[str, ...]
    networks: tuple[StemConfig, ...]
    spectrogram: MagnitudesConfig


_read_spectrogram = declared_reader(MagnitudesConfig)
_read_band = declared_reader(BandUNetConfig)
_read_network = declared_reader(StemConfig)


def read_d3net_config(settings: Mapping[str, object]) -> D3NetConfig:
    """All networks, from `{"d3net": {stem: what its .yaml says, ...}}`, stems in this order.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large.
        ValueError: the values do not go together.
    """
    section = settings.get(SECTION)
    files: Mapping[str, object] = section if isinstance(section, Mapping) else {}
    stems = Arguments(_FAMILY, ["sources"], (), {"sources": list(files)}).stems()
    networks = tuple(_network(stem, files[stem]) for stem in stems)
    if len({network.spectrogram for network in networks}) > 1:
        raise ValueError("its networks do not hear the same spectrogram")
    return D3NetConfig(stems=stems, networks=networks, spectrogram=networks[0].spectrogram)


def _network(stem: str, file: object) -> StemConfig:
    if not isinstance(file, Mapping):
        raise _unreadable(f"the description of {quoted(stem)} has no names and values")
    spectrogram = _read_spectrogram(Arguments.chosen(_FAMILY, names_of(MagnitudesConfig), file))
    num_bands = _num_bands(file)
    config = _read_network(
        Arguments.chosen(_FAMILY, names_of(StemConfig), file),
        spectrogram=spectrogram,
        bands=tuple(_band(_of_band(file, index, num_bands)) for index in range(num_bands)),
        full=_band({name: file.get(full_name) for name, full_name in _FULL_BAND.items()}),
    )
    _check(config)
    return config


def _band(values: Mapping[str, object]) -> BandUNetConfig:
    return _read_band(Arguments(_FAMILY, list(_FULL_BAND), (), values))


def _num_bands(file: Mapping[str, object]) -> int:
    splits = file.get("band_split_idxs")
    if not isinstance(splits, list) or not 1 <= len(splits) < _MAX_BANDS:
        raise _unreadable(f"band_split_idxs={quoted(splits)} are not one bin or several")
    return len(splits) + 1


def _of_band(file: Mapping[str, object], index: int, num_bands: int) -> dict[str, object]:
    """What the configuration says of one band, each value from a list with one for each band."""
    values: dict[str, object] = {}
    for name in _FULL_BAND:
        column = file.get(name)
        if not isinstance(column, list) or len(column) != num_bands:
            raise _unreadable(f"{name}={quoted(column)} has not one value for each band")
        values[name] = column[index]
    return values


def _check(config: StemConfig) -> None:
    """Refuses what each value allows but all of them together do not."""
    sizes = [
        *zip(config.bands, config.band_bins, strict=True),
        (config.full, config.num_heard_bins),
    ]
    for band, num_bins in sizes:
        if len(band.widths) % 2 == 0 or len(band.widths) != len(band.num_layers):
            raise ValueError(
                f"{len(band.widths)} widths for {len(band.num_layers)} blocks do not go down and up"
            )
        if len(set(band.num_blocks)) > 1:
            raise ValueError(f"its nested blocks differ: {list(band.num_blocks)}")
        cut = 1 << band.num_levels
        if num_bins < 1 or num_bins % cut or config.patch_frames % cut:
            raise ValueError(
                f"{config.patch_frames} frames of {num_bins} bins cannot be halved "
                f"{band.num_levels} times"
            )
    if config.patch_frames % config.shift_frames:
        raise ValueError(
            f"{config.patch_frames} frames are no multiple of {config.shift_frames}, by which "
            "patches are apart"
        )


def _unreadable(problem: str) -> CheckpointError:
    return CheckpointError(f"The D3Net checkpoint: {problem}.", hint=_HINT)
