"""What of a file could not be decoded, and how to say so."""

from __future__ import annotations

from dataclasses import dataclass, field

_MAX_NAMED_PLACES = 5
_ONE_PLACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Loss:
    """A place where something could not be decoded, and the silence that stands there instead."""

    start: int
    num_samples: int


@dataclass(slots=True)
class Damage:
    """What a pass over a file found lost; complete once its last block was read.

    `missing_samples` were promised by the header and do not come at the end. `ends_unmarked`: the
    format says where a file ends, and this one ends elsewhere, so that nobody knows how much is
    missing. `losses` have sound behind them.
    """

    num_samples: int = 0
    missing_samples: int = 0
    ends_unmarked: bool = False
    losses: list[Loss] = field(default_factory=list)

    def begin(self) -> None:
        """Forgets what an earlier pass over the same file found."""
        self.num_samples = self.missing_samples = 0
        self.ends_unmarked = False
        self.losses.clear()

    def lose(self, start: int, num_samples: int) -> None:
        """Notes that from sample `start` on `num_samples` are silent, because they are lost."""
        self.losses.append(Loss(start, num_samples))

    def cut(self, start: int, num_samples: int) -> None:
        """Keeps what concerns a part of the file, and counts from its first sample."""
        self.num_samples = num_samples
        stop = start + num_samples
        losses, self.losses = self.losses, []
        for loss in losses:
            end = loss.start + max(1, loss.num_samples)  # of some it is not known how much they are
            if loss.start < stop and end > start:
                first = max(loss.start, start)
                num_lost = min(loss.start + loss.num_samples, stop) - first
                self.losses.append(Loss(first - start, max(0, num_lost)))

    def warnings(self, name: str, sample_rate: int) -> list[str]:
        """All of that in sentences about a file of that name."""
        found = []
        if self.losses:
            found.append(f"{name} is damaged {self._places(sample_rate)}.")
        decoded = self.num_samples / sample_rate
        if self.missing_samples:
            promised = decoded + self.missing_samples / sample_rate
            found.append(
                f"{name} seems cut off: its header promises {promised:.2f} s, {decoded:.2f} s "
                "could be decoded and were separated."
            )
        elif self.ends_unmarked:
            found.append(
                f"{name} seems cut off after {decoded:.2f} s: it does not end as such files do."
            )
        return found

    def _places(self, sample_rate: int) -> str:
        starts: list[float] = []
        for loss in self.losses:
            seconds = loss.start / sample_rate
            if not starts or seconds > starts[-1] + _ONE_PLACE_SECONDS:
                starts.append(seconds)
        text = "at " + ", ".join(f"{seconds:.2f}" for seconds in starts[:_MAX_NAMED_PLACES]) + " s"
        if len(starts) > _MAX_NAMED_PLACES:
            text += f" and {len(starts) - _MAX_NAMED_PLACES} more places"
        silent = sum(loss.num_samples for loss in self.losses) / sample_rate
        return f"{text}; {silent:.2f} s that are lost became silence" if silent else text
