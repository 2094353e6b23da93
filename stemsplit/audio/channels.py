"""Which channels of a file belong together, and the way between them and a model's channels.

Channels have ffmpeg's short names: FL front left, FC centre (and mono), LFE low-frequency effects,
BL back left, SL side left, TFL top front left, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.errors import AudioReadError
from stemsplit.quoting import counted

MAX_CHANNELS = 32
"""More than any layout has (22.2 has 24); each pair costs a run of the network of its own."""

_PAIRS = {
    "FL": "FR",
    "BL": "BR",
    "SL": "SR",
    "FLC": "FRC",
    "WL": "WR",
    "SDL": "SDR",
    "DL": "DR",
    "BIL": "BIR",
    "TFL": "TFR",
    "TBL": "TBR",
    "TSL": "TSR",
    "BFL": "BFR",
    "SSL": "SSR",
    "TTL": "TTR",
}
_SINGLE = {"FC", "BC", "TC", "TFC", "TBC", "BFC"}
_LOW = {"LFE", "LFE2"}
_KNOWN = {*_PAIRS, *_PAIRS.values(), *_SINGLE, *_LOW}

# ffmpeg's layouts for files that only say how many channels they have.
_DEFAULTS = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "LFE"),
    4: ("FL", "FR", "FC", "BC"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def default_channels(num_channels: int) -> tuple[str, ...]:
    """Names for channels that have none: of the usual layout up to eight, else 1, 2, 3, ..."""
    return _DEFAULTS.get(num_channels) or tuple(str(n + 1) for n in range(num_channels))


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelGrouping:
    """Positions of the channels that are separated together, and of those that are not separated.

    Each of `groups` goes through the model on its own, as if it were a song. `low` are the channels
    for low-frequency effects, which are no music that a model knows.
    """

    groups: tuple[tuple[int, ...], ...]
    low: tuple[int, ...] = ()


def group_channels(channels: Sequence[str], model_channels: int) -> ChannelGrouping:
    """The groups in which a model with `model_channels` separates a song with these channels.

    Left goes with right, and a channel without a partner alone. If any name is unknown or comes
    twice, neighbours go together, because files without a layout are usually a row of pairs.

    Raises:
        AudioReadError: more than `MAX_CHANNELS`.
    """
    if len(channels) > MAX_CHANNELS:
        raise AudioReadError(
            f"The audio has {len(channels)} channels.",
            hint=f"Up to {MAX_CHANNELS} can be separated; split the file first.",
        )
    everything = tuple(range(len(channels)))
    if len(channels) in (1, model_channels):
        return ChannelGrouping(groups=(everything,))
    if not layout_is_known(channels):
        width = min(2, model_channels)
        pieces = (everything[start : start + width] for start in everything[::width])
        return ChannelGrouping(groups=tuple(pieces))
    low = tuple(i for i in everything if channels[i] in _LOW)
    partners = {
        i: channels.index(_PAIRS[name])
        for i, name in enumerate(channels)
        if model_channels > 1 and _PAIRS.get(name) in channels
    }
    alone = set(everything) - {*low, *partners.keys(), *partners.values()}
    groups = [(i, partners[i]) if i in partners else (i,) for i in sorted({*partners, *alone})]
    return ChannelGrouping(groups=tuple(groups), low=low)


def layout_is_known(channels: Sequence[str]) -> bool:
    """Whether every name stands for a place in the room, none comes twice, and not all are low."""
    names = set(channels)
    return names <= _KNOWN and len(names) == len(channels) and not names <= _LOW


def to_model_channels(block: Tensor, num_channels: int) -> Tensor:
    """The block [C, T] with the model's number of channels: mono is repeated, equal is kept.

    A model of one channel hears the mean of several.

    Raises:
        AudioReadError: any other combination, a pair for a model of four channels, for example.
    """
    if block.shape[0] == num_channels:
        return block
    if block.shape[0] == 1:
        return block.expand(num_channels, -1)  # [C, T]
    if num_channels == 1:
        return block.mean(dim=0, keepdim=True)  # [1, T]
    raise AudioReadError(
        f"The audio has {block.shape[0]} channels and the model takes {num_channels}.",
        hint=f"Give it mono or {counted(num_channels, 'channel')}.",
    )


def from_model_channels(stems: Tensor, num_channels: int) -> Tensor:
    """The stems [S, C, T] with the file's number of channels: their mean for a mono file.

    Those of a model of one channel are repeated.

    Raises:
        ValueError: a number of channels that `to_model_channels` would not have accepted.
    """
    if stems.shape[1] == num_channels:
        return stems
    if num_channels == 1:
        return stems.mean(dim=1, keepdim=True)  # [S, 1, T]
    if stems.shape[1] == 1:
        return stems.expand(-1, num_channels, -1)  # [S, C, T]
    raise ValueError(f"cannot turn {stems.shape[1]} channels into {num_channels}")
