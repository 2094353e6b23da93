"""The references' rules for whole tracks, each written out plainly with the track in memory.

Independent of the engine on purpose: NumPy, no streaming, one chunk at a time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

Audio = npt.NDArray[np.float32]
Network = Callable[[torch.Tensor], torch.Tensor]


def run_network(network: Network, heard: Audio) -> Audio:
    """Stems [S, C, T] of one chunk [C, T]."""
    with torch.no_grad():
        return network(torch.from_numpy(np.ascontiguousarray(heard))[None])[0].numpy()


def community_rule(network: Network, track: Audio, *, chunk: int, num_overlaps: int) -> Audio:
    """Stems [S, C, T] as the community's training software makes them with batches of one chunk.

    Samples that no chunk gives any weight are not numbers; there are some without overlap.
    """
    hop, fade, length = chunk // num_overlaps, chunk // 10, track.shape[-1]
    border = chunk - hop if length > 2 * (chunk - hop) else 0
    padded = np.pad(track, [(0, 0), (border, border)], mode="reflect")
    rise, fall = (np.linspace(*ends, fade, dtype=np.float32) for ends in ((0, 1), (1, 0)))
    total: Audio | float = 0.0
    weight = np.zeros(padded.shape[-1], np.float32)
    for start in range(0, padded.shape[-1], hop):
        part = padded[:, start : start + chunk]
        num_samples = part.shape[-1]
        room = [(0, 0), (0, chunk - num_samples)]
        filled = np.pad(part, room, mode="reflect" if num_samples > chunk // 2 else "constant")
        window = np.ones(chunk, np.float32)
        if start + hop < padded.shape[-1]:
            window[chunk - fade :] = fall
        if start > 0:
            window[:fade] = rise
        estimate = run_network(network, filled) * window
        after = padded.shape[-1] - start - num_samples
        total = total + np.pad(estimate[..., :num_samples], [(0, 0), (0, 0), (start, after)])
        weight[start : start + num_samples] += window[:num_samples]
    with np.errstate(invalid="ignore"):
        stems = total / weight
    return stems[..., border : border + length]


def trim_rule(network: Network, track: Audio, *, chunk: int, trim: int) -> Audio:
    """Stems [S, C, T] from chunks side by side, each heard with `trim` samples more on each side.

    Where the track ends there is silence, up to the end of a full chunk.
    """
    length = track.shape[-1]
    padded = np.pad(track, [(0, 0), (trim, trim + -length % chunk)])
    stems = [
        run_network(network, padded[:, start : start + chunk + 2 * trim])[..., trim : trim + chunk]
        for start in range(0, length, chunk)
    ]
    return np.concatenate(stems, axis=-1)[..., :length]


def hann_rule(network: Network, track: Audio, *, chunk: int, trim: int, overlap: float) -> Audio:
    """Stems [S, C, T] as the UVR community's software makes them.

    Its remainders are kept: a track of a whole number of `chunk - 2 * trim` gets as much silence
    behind it once more. What differs from one program to the other, or is a mistake, is not here:
    loops run on behind the track, where the sum of all weights is 0; python-audio-separator
    brings a song to a peak of 0.9 before, but back by its peak after, and leaves out the gain of
    the stem itself, though not of what is left over.
    """
    length, inner = track.shape[-1], chunk - 2 * trim
    padded = np.pad(track, [(0, 0), (trim, inner + trim - length % inner)])
    total: Audio | float = 0.0
    weight = np.zeros(padded.shape[-1], np.float32)
    for start in range(0, trim + length, int((1 - overlap) * chunk)):
        part = padded[:, start : start + chunk]
        num_samples = part.shape[-1]
        window = np.hanning(num_samples).astype(np.float32)
        filled = np.pad(part, [(0, 0), (0, chunk - num_samples)])
        estimate = run_network(network, filled)[..., :num_samples] * window
        after = padded.shape[-1] - start - num_samples
        total = total + np.pad(estimate, [(0, 0), (0, 0), (start, after)])
        weight[start : start + num_samples] += window
    inside = slice(trim, trim + length)
    return np.asarray(total)[..., inside] / weight[inside]


def demucs_v2_rule(
    network: Network,
    track: Audio,
    *,
    chunk: int,
    valid_length: Callable[[int], int],
    overlap: float = 0.25,
) -> Audio:
    """Stems [S, C, T] as demucs 2 makes them of a track that is scaled.

    `network` gives as many samples as it hears, with silence where the reference gives none.
    """
    length = track.shape[-1]
    half = chunk // 2
    window = np.r_[1 : half + 1, chunk - half : 0 : -1].astype(np.float32)
    window /= window.max()
    total: Audio | float = 0.0
    weight = np.zeros(length, np.float32)
    for start in range(0, length, int((1 - overlap) * chunk)):
        num_samples = min(chunk, length - start)
        num_read = valid_length(num_samples)
        left = (num_read - num_samples) // 2
        around = [(0, 0), (num_read, num_read)]
        begin = num_read + start - left
        heard = np.pad(track, around)[:, begin : begin + num_read]
        estimate = run_network(network, heard)[..., left : left + num_samples]
        place = [(0, 0), (0, 0), (start, length - start - num_samples)]
        total = total + np.pad(estimate * window[:num_samples], place)
        weight[start : start + num_samples] += window[:num_samples]
    return total / weight
