"""What the files beside Open-Unmix's weights say about its networks.

A folder of its training program holds `separator.json`, about the spectrogram that all networks
share, and for each stem `{stem}.json`, whose `args` are the command line that trained it. The
published models (umxhq, umxl, umxse) come without these files, since their program knows the
numbers by heart; they are to be given in the same form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stemsplit.dsp.wiener import WienerOptions
from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of
from stemsplit.quoting import quoted

_FAMILY = "Open-Unmix"
_NUM_LAYERS = 3
_HINT = "Use the files that the training program wrote beside the weights."


@dataclass(frozen=True, kw_only=True, slots=True)
class SpectrogramConfig:
    """The magnitudes that the networks hear."""

    rate: float = arg("sample_rate", low=1000, high=768_000)
    """As training programs write it: 44100.0."""
    n_fft: int = arg("nfft", low=64, high=1 << 16)
    hop_length: int = arg(
        "nhop", low=lambda c: max(1, c["n_fft"] // 64), high=lambda c: c["n_fft"] // 2
    )
    num_channels: int = arg("nb_channels", low=1, high=2)
    """2, or 1 for the mean of all channels."""

    @property
    def sample_rate(self) -> int:
        return int(self.rate)

    @property
    def num_bins(self) -> int:
        return self.n_fft // 2 + 1


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkConfig:
    """The network of one stem."""

    num_heard_bins: int
    """It hears these lowest bins, and estimates all."""
    hidden_size: int
    num_layers: int = _NUM_LAYERS
    bidirectional: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class _NetworkArguments:
    hidden_size: int = arg("hidden_size", low=2, high=8192)
    bandwidth_hz: int = arg("bandwidth", 16000, low=1, high=768_000)
    is_unidirectional: bool = arg("unidirectional", False)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenUnmixConfig:
    """The networks, one for each stem in order, and the filter that reconciles their estimates."""

    stems: tuple[str, ...]
    networks: tuple[NetworkConfig, ...]
    spectrogram: SpectrogramConfig
    filter: WienerOptions
    num_channels: int = 2
    """Of the mixture. The networks estimate loudness and the filter places it, so that both
    channels are kept even where the networks hear but one."""
    bridged: bool = False
    """Whether the networks share what they hear."""


_read_fields = declared_reader(SpectrogramConfig)
_read_arguments = declared_reader(_NetworkArguments)


def read_openunmix_config(settings: Mapping[str, object]) -> OpenUnmixConfig:
    """All networks, from `{"separator": separator.json, "targets": {stem: stem.json, ...}}`.

    The values are the files' contents; of a `stem.json` only `args` is looked at. The stems are in
    the order of `targets`.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large.
    """
    separator, names = _section(settings, "separator"), names_of(SpectrogramConfig)
    spectrogram = _read_fields(Arguments.chosen(_FAMILY, names, separator))
    targets = _section(settings, "targets")
    stems = Arguments(_FAMILY, ["sources"], (), {"sources": list(targets)}).stems()
    return OpenUnmixConfig(
        stems=stems,
        networks=tuple(_read_network(_section(targets, stem), spectrogram) for stem in stems),
        spectrogram=spectrogram,
        # The iteration shares the mixture out among the stems: with a single one it has no use.
        filter=WienerOptions(num_iterations=1 if len(stems) > 1 else 0),
    )


def _read_network(target: Mapping[str, object], spectrogram: SpectrogramConfig) -> NetworkConfig:
    names = [*names_of(_NetworkArguments), "nfft", "nb_channels"]
    arguments = Arguments.chosen(_FAMILY, names, _section(target, "args"))
    arguments.require("nfft", spectrogram.n_fft, spectrogram.n_fft)
    arguments.require("nb_channels", spectrogram.num_channels, spectrogram.num_channels)
    given = _read_arguments(arguments)
    if not given.is_unidirectional and given.hidden_size % 2:
        raise CheckpointError(
            f"The Open-Unmix checkpoint has hidden_size={given.hidden_size}, which its two "
            "directions cannot share.",
            hint=_HINT,
        )
    highest_bin = given.bandwidth_hz * spectrogram.n_fft // spectrogram.sample_rate
    return NetworkConfig(
        num_heard_bins=min(highest_bin + 1, spectrogram.num_bins),
        hidden_size=given.hidden_size,
        bidirectional=not given.is_unidirectional,
    )


def _section(settings: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = settings.get(name)
    if not isinstance(section, Mapping):
        raise CheckpointError(
            f"The description of the Open-Unmix checkpoint has no {quoted(name)} with names and "
            "values.",
            hint=_HINT,
        )
    return section
