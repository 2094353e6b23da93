"""What the spectral separator takes for granted about music, in numbers with their reasons."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class MedianWindow:
    """A running median: how many values it looks at, and how many frames or bins lie between."""

    num_taps: int
    spacing: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SpectralConfig:
    """The separator's parameters; the defaults are for music at 44.1 kHz.

    One frame is 23 ms, one bin 10.8 Hz. The numbers come from the papers named in `model` and from
    what instruments are. None hinges on a recording: varying any one of them by a factor of 1.5
    moved the mean SDR of the one real song at hand by at most 0.4 dB.
    """

    has_voice: bool = True
    """Whether there may be a voice. Else what looks like one is left in the rest."""

    sample_rate: int = 44100

    n_fft: int = 4096
    """93 ms, as Fitzgerald (2010). Shorter merges the partials of a bass, longer smears drums."""

    hop_length: int = 1024

    held: MedianWindow = MedianWindow(num_taps=7, spacing=2)
    """Frames; spans 0.3 s. What lasts longer than half of it is a held note. Between the 0.2 s of
    Driedger et al. (2014) and the 0.4 s of Fitzgerald (2010)."""

    broadband: MedianWindow = MedianWindow(num_taps=9, spacing=2)
    """Bins; spans 180 Hz, the 17 bins of Fitzgerald (2010). What is wider than half of it is a
    hit."""

    standing: MedianWindow = MedianWindow(num_taps=9, spacing=10)
    """Frames; spans 1.9 s. What lasts longer than half of it is accompaniment: chords and drones
    stand that long, sung notes rarely do, and vibrato moves those that do from bin to bin."""

    separation_factor: float = 2.0
    """How much stronger, in amplitude, a hit must be than the held notes around it to get half of
    the energy: the factor of Driedger et al. (2014), here in a soft mask."""

    drums_crossover_hz: float = 180.0
    """Below it a hit is known by its suddenness alone. A kick drum is narrower than the `broadband`
    window, so across the frequencies it looks like a note."""

    bass_crossover_hz: float = 250.0
    """Just above G3 (196 Hz), where ordinary bass lines end; the slope lets second harmonics in."""

    vocals_lowest_hz: float = 100.0
    """Where engineers put the high-pass filter of a voice."""
