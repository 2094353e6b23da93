"""What the files of MMDenseLSTM say about their networks, beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of
from stemsplit.quoting import quoted

SECTION = "mmdenselstm"
"""Of the settings: the values of each stem's file, by its name."""
FULL = "full"
"""The band that is all bands together."""

_FAMILY = "MMDenseLSTM"
_MAX_WIDTH = 512
_MAX_LAYERS = 16
_MAX_BANDS = 8
_MAX_BLOCKS = 17
_MAX_BINS = (1 << 15) + 1
_HINT = "The file is damaged or is not a checkpoint of this network; fetch it again."
_BAND_FLAGS = ("dilated", "norm", "nonlinear")


@dataclass(frozen=True, kw_only=True, slots=True)
class DenseBlockConfig:
    """A dense block, an LSTM, or both."""

    width: int
    """Of each layer's output."""
    num_layers: int
    """0: there is no dense block."""
    dilated: bool
    hidden_size: int
    """Of the LSTM; 0: there is none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DenseBandConfig:
    """The network of one band: a U-Net of dense blocks."""

    num_bins: int
    first_width: int
    blocks: tuple[DenseBlockConfig, ...]
    """Down, at the lowest level, and up."""
    kernel_size: int
    scale: int
    """By which frames and bins are divided from level to level."""

    @property
    def num_levels(self) -> int:
        """How often they are divided."""
        return len(self.blocks) // 2

    @property
    def width(self) -> int:
        """Of its output."""
        return self.blocks[-1].width


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchesConfig:
    """The magnitudes that the networks hear, and how they are run."""

    sample_rate: int = arg("sample_rate", 44100, low=1000, high=768_000)
    n_fft: int = arg("n_fft", 4096, low=64, high=1 << 16)
    hop_length: int = arg(
        "hop_length", 1024, low=lambda c: max(1, c["n_fft"] // 64), high=lambda c: c["n_fft"] // 2
    )
    patch_frames: int = arg("patch_size", 256, low=1, high=8192)
    """How many frames a network hears at a time."""

    @property
    def num_bins(self) -> int:
        return self.n_fft // 2 + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class DenseLstmConfig:
    """The network of one stem."""

    bands: Mapping[str, DenseBandConfig]
    full: DenseBandConfig
    final: DenseBlockConfig
    final_kernel_size: int
    lstm_position: str
    """`after_dense`: it hears what the dense block beside it gives, and its output is one feature
    more. `before_dense`: the dense block hears its output as well. `parallel`: both hear the same.
    """
    epsilon: float

    @property
    def band_bins(self) -> list[int]:
        return [band.num_bins for band in self.bands.values()]


@dataclass(frozen=True, kw_only=True, slots=True)
class MMDenseLSTMConfig:
    """The networks, one for each stem in order."""

    stems: tuple[str, ...]
    networks: tuple[DenseLstmConfig, ...]
    spectrogram: PatchesConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class _BandArguments:
    first_width: int = arg("num_features", low=1, high=_MAX_WIDTH)
    widths: tuple[int, ...] = arg("growth_rate", low=0, high=_MAX_WIDTH)
    num_layers: tuple[int, ...] = arg("depth", low=0, high=_MAX_LAYERS)
    hidden_sizes: tuple[int, ...] = arg("hidden_channels", low=0, high=4096)
    kernel_size: int = arg("kernel_size", low=1, high=31)
    scale: int = arg("scale", 2, low=2, high=8)


@dataclass(frozen=True, kw_only=True, slots=True)
class _FinalArguments:
    width: int = arg("growth_rate_final", low=1, high=_MAX_WIDTH)
    num_layers: int = arg("depth_final", low=1, high=_MAX_LAYERS)
    dilated: bool = arg("dilated_final", False)
    kernel_size: int = arg("kernel_size_final", low=1, high=31)
    epsilon: float = arg("eps", 1e-12, low=0, high=0.01)


_read_spectrogram = declared_reader(PatchesConfig)
_read_band = declared_reader(_BandArguments)
_read_final = declared_reader(_FinalArguments)
_FIXED = {
    "in_channels": 2,
    "causal": False,
    "hidden_channels_final": 0,
    "nonlinear_final": "relu",
    "window_fn": "hann",
}


def read_mmdenselstm_config(settings: Mapping[str, object]) -> MMDenseLSTMConfig:
    """All networks, from `{"mmdenselstm": {stem: what its file says, ...}}`.

    The stems are in that order.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or networks differ in what
            they hear.
    """
    given = _section(settings, SECTION)
    stems = Arguments(_FAMILY, ["sources"], (), {"sources": list(given)}).stems()
    spectrograms = {
        _read_spectrogram(_arguments(names_of(PatchesConfig), _section(given, stem)))
        for stem in stems
    }
    if len(spectrograms) > 1:
        raise CheckpointError(
            "The networks of the MMDenseLSTM checkpoint were trained on different spectrograms.",
            hint="Take the files of one training.",
        )
    (spectrogram,) = spectrograms
    networks = tuple(_read_network(_section(given, stem)) for stem in stems)
    for network in networks:
        if network.full.num_bins > spectrogram.num_bins:
            raise _impossible("sections", network.band_bins, f"up to {spectrogram.num_bins} bins")
    return MMDenseLSTMConfig(stems=stems, networks=networks, spectrogram=spectrogram)


def _read_network(given: Mapping[str, object]) -> DenseLstmConfig:
    arguments = _arguments([*names_of(_FinalArguments), *_FIXED, "rnn_position", "sections"], given)
    arguments.require_all(_FIXED)
    position = arguments.choice(
        "rnn_position", "parallel", ("after_dense", "before_dense", "parallel")
    )
    final = _read_final(arguments)
    names = given.get("bands")
    if not isinstance(names, list | tuple) or not 1 <= len(names) <= _MAX_BANDS:
        raise _impossible("bands", names, f"a list of 1 to {_MAX_BANDS} names")
    sections = arguments.integers("sections", None, low=1, high=_MAX_BINS, length=len(names))
    bands = {
        name: _read_band_config(given, name, num_bins)
        for name, num_bins in zip(names, sections, strict=True)
        if isinstance(name, str) and name.isidentifier() and name != FULL
    }
    if len(bands) < len(names):
        raise _impossible("bands", names, "different names")
    return DenseLstmConfig(
        bands=bands,
        full=_read_band_config(given, FULL, sum(sections)),
        final=DenseBlockConfig(
            width=final.width, num_layers=final.num_layers, dilated=final.dilated, hidden_size=0
        ),
        final_kernel_size=_odd(final.kernel_size),
        lstm_position=position,
        epsilon=final.epsilon,
    )


def _read_band_config(given: Mapping[str, object], band: str, num_bins: int) -> DenseBandConfig:
    names = [*names_of(_BandArguments), *_BAND_FLAGS]
    own = {name: _section(given, name).get(band) for name in names}
    read = _read_band(_arguments(names_of(_BandArguments), own))
    count = len(read.widths)
    is_odd = count % 2 == 1 and 3 <= count <= _MAX_BLOCKS
    if not is_odd or not len(read.num_layers) == len(read.hidden_sizes) == count:
        raise _impossible(
            "growth_rate",
            own["growth_rate"],
            f"as many as of depth, an odd number of them up to {_MAX_BLOCKS}",
        )
    dilated = [_dilated(own, index, layers) for index, layers in enumerate(read.num_layers)]
    blocks = tuple(
        DenseBlockConfig(
            width=width if num_layers else 0,
            num_layers=num_layers,
            dilated=is_dilated,
            hidden_size=hidden_size,
        )
        for width, num_layers, is_dilated, hidden_size in zip(
            read.widths, read.num_layers, dilated, read.hidden_sizes, strict=True
        )
    )
    lowest = count // 2
    for index, block in enumerate(blocks):
        has_dense = block.num_layers > 0 and block.width > 0
        may_have_lstm = lowest <= index < count - 1
        if not (has_dense or (index == lowest and block.num_layers == 0 and block.hidden_size)):
            raise _impossible("depth", own["depth"], "1 or more where there is no LSTM")
        if block.hidden_size and not may_have_lstm:
            raise _impossible("hidden_channels", own["hidden_channels"], "0 on the way down")
    return DenseBandConfig(
        num_bins=num_bins,
        first_width=read.first_width,
        blocks=blocks,
        kernel_size=_odd(read.kernel_size),
        scale=read.scale,
    )


def _dilated(own: Mapping[str, object], index: int, num_layers: int) -> bool:
    """Whether a block is dilated; its norm and activation must be those that there are."""
    values = []
    for name in _BAND_FLAGS:
        given = own[name]
        if not isinstance(given, list | tuple) or len(given) <= index:
            raise _impossible(name, given, "one for each of growth_rate")
        values.append(given[index])
    dilated, norm, nonlinear = values
    if num_layers and (norm is not True or nonlinear != "relu" or not isinstance(dilated, bool)):
        raise _impossible(f"{', '.join(_BAND_FLAGS)}", values, "true or false, true, relu")
    return dilated is True


def _arguments(names: list[str], section: Mapping[str, object]) -> Arguments:
    return Arguments.chosen(_FAMILY, names, section)


def _odd(kernel_size: int) -> int:
    if kernel_size % 2 == 0:
        raise _impossible("kernel_size", kernel_size, "an odd number")
    return kernel_size


def _section(given: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = given.get(name)
    if not isinstance(section, Mapping):
        raise _impossible(name, section, "names with values")
    return section


def _impossible(name: str, value: object, wanted: str) -> CheckpointError:
    return CheckpointError(
        f"The {_FAMILY} checkpoint has {name}={quoted(value)}; expected {wanted}.", hint=_HINT
    )
