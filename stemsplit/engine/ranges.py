"""Where in a song the work is, at the rates of the source, of the model and of the outputs.

Positions count samples from the start of the whole song. At whole seconds every rate has a sample,
so that is where the second pass may begin to listen when only a late part of the song is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass

from stemsplit.audio.resample import resampled_length, samples_heard
from stemsplit.engine.mixture import Mixture
from stemsplit.errors import AudioReadError


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackRanges:
    """The song's length and the part of it that is wanted, `source_range`, at the source's rate."""

    source_rate: int
    model_rate: int
    output_rate: int
    num_source_samples: int
    source_range: range

    @property
    def num_model_samples(self) -> int:
        return resampled_length(self.num_source_samples, self.source_rate, self.model_rate)

    @property
    def num_output_samples(self) -> int:
        """Length of the whole song at the output's rate, wanted or not."""
        return resampled_length(self.num_source_samples, self.source_rate, self.output_rate)

    @property
    def output_range(self) -> range:
        """What is written."""
        start, stop = (
            resampled_length(position, self.source_rate, self.output_rate)
            for position in (self.source_range.start, self.source_range.stop)
        )
        return range(start, stop)

    @property
    def model_range(self) -> range:
        """What the model must estimate, so that it can be resampled to `output_range`."""
        heard = samples_heard(self.output_range, self.model_rate, self.output_rate)
        return range(max(0, heard.start), min(heard.stop, self.num_model_samples))

    def first_second(self, first_read: int) -> int:
        """The second from which the source must be heard, if the model reads from `first_read`."""
        read = range(first_read, first_read)
        for_model = samples_heard(read, self.source_rate, self.model_rate)
        for_output = samples_heard(self.output_range, self.source_rate, self.output_rate)
        return max(0, min(for_model.start, for_output.start)) // self.source_rate


def choose_range(mixture: Mixture, num_samples: int) -> range:
    """The samples between `start` and `end`, as far as the song goes.

    Raises:
        AudioReadError: there are none.
    """
    wanted = mixture.excerpt
    start, stop = round(wanted.start_seconds * mixture.sample_rate), num_samples
    if wanted.end_seconds is not None:
        stop = min(stop, round(wanted.end_seconds * mixture.sample_rate))
    if 0 < num_samples <= start:
        raise AudioReadError(
            f"{mixture.name} is {num_samples / mixture.sample_rate:.2f} s long, and `start` is "
            f"{wanted.start_seconds:g} s.",
            hint="Choose an earlier `start`.",
        )
    if num_samples > 0 and stop <= start:
        raise AudioReadError(
            f"{mixture.name} has no sample between `start` {wanted.start_seconds:g} s and `end` "
            f"{wanted.end_seconds:g} s.",
            hint=f"One sample is {1 / mixture.sample_rate:.2g} s.",
        )
    return range(min(start, num_samples), stop)


def range_warnings(mixture: Mixture, num_samples: int) -> list[str]:
    """That the song ends before `end`, if it does."""
    seconds = num_samples / mixture.sample_rate
    end = mixture.excerpt.end_seconds
    if end is None or round(end * mixture.sample_rate) <= num_samples:
        return []
    return [
        f"`end` {end:g} s is after the end of {mixture.name}: the outputs end "
        f"with it, at {seconds:.2f} s."
    ]
