"""A short synthetic song whose true stems are known: for `stemsplit demo` and for tests.

Four bars in A minor (Am, F, C, G), repeated for as long as wanted: kick, snare and hats; a bass
line; a pad and a plucked arpeggio spread over the stereo field; a sung-like lead in the centre.
All of it is made here, so it carries nobody's licence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

SAMPLE_RATE = 44100

_BEATS_PER_MINUTE = 96.0
_BEATS_PER_BAR = 4
_PEAK = 0.9
_FADE_SECONDS = 0.008
"""Every note starts and ends on a ramp this long: no clicks."""

_BARS: tuple[tuple[int, tuple[int, int, int]], ...] = (
    (33, (57, 60, 64)),  # Am: bass note and triad as MIDI note numbers
    (29, (57, 60, 65)),  # F
    (36, (55, 60, 64)),  # C
    (31, (55, 59, 62)),  # G
)
_BASS_BEATS = ((0.0, 1.4, 0), (1.5, 0.45, 0), (2.0, 0.9, 7), (3.0, 0.45, 0), (3.5, 0.45, 12))
"""Start and length in beats, semitones above the bar's bass note."""

_KICK_BEATS = (0.0, 1.5, 2.0)
_SNARE_BEATS = (1.0, 3.0)
_MELODY: tuple[tuple[float, float, int, str], ...] = (
    (0.0, 1.4, 69, "a"),  # start and length in beats, MIDI note number, vowel
    (1.5, 0.4, 71, "e"),
    (2.0, 1.6, 72, "a"),
    (4.0, 0.9, 72, "o"),
    (5.0, 0.9, 69, "a"),
    (6.0, 1.6, 65, "o"),
    (8.0, 0.9, 67, "e"),
    (9.0, 0.9, 72, "a"),
    (10.0, 1.6, 76, "i"),
    (12.0, 1.4, 74, "a"),
    (13.5, 0.4, 72, "e"),
    (14.0, 1.4, 71, "o"),
)
_FORMANTS: dict[str, tuple[tuple[float, float, float], ...]] = {
    # Centre in Hz, bandwidth in Hz, gain: rounded from the alto tables of singing synthesis.
    "a": ((800, 80, 1.0), (1150, 90, 0.63), (2800, 120, 0.10)),
    "e": ((400, 60, 1.0), (1600, 80, 0.25), (2700, 120, 0.12)),
    "i": ((350, 50, 1.0), (1700, 100, 0.20), (2700, 120, 0.15)),
    "o": ((450, 70, 1.0), (800, 80, 0.40), (2830, 100, 0.06)),
}


def make_demo_song(
    *, sample_rate: int = SAMPLE_RATE, duration_seconds: float = 20.0, seed: int = 0
) -> dict[str, Tensor]:
    """The true stems `drums`, `bass`, `other` and `vocals`, each [2, T] float32.

    Their sum is the mixture; it peaks at 0.9. The seed chooses the drums' and the breath's noise.

    Raises:
        ValueError: the duration is shorter than one sample.
    """
    num_samples = round(duration_seconds * sample_rate)
    if num_samples < 1:
        raise ValueError(f"a song of {duration_seconds} s at {sample_rate} Hz has no samples")
    studio = _Studio(sample_rate, torch.Generator().manual_seed(seed))
    loop = {
        "drums": _drums(studio),
        "bass": _bass(studio),
        "other": _other(studio),
        "vocals": _vocals(studio),
    }
    repeats = -(-num_samples // studio.loop_samples)
    stems = {name: loop[name].repeat(1, repeats)[:, :num_samples] for name in loop}  # [2, T]
    peak = torch.stack(list(loop.values())).sum(0).abs().max().item()
    return {name: stem * (_PEAK / peak) for name, stem in stems.items()}


@dataclass(frozen=True, slots=True)
class _Studio:
    """The tempo, the sample rate and the noise that all instruments share."""

    sample_rate: int
    generator: torch.Generator

    @property
    def loop_samples(self) -> int:
        return self.samples(_BEATS_PER_BAR * len(_BARS))

    def samples(self, beats: float) -> int:
        return round(beats * 60 / _BEATS_PER_MINUTE * self.sample_rate)

    def seconds(self, num_samples: int) -> Tensor:
        """Time [T] since the start of a note."""
        return torch.arange(num_samples) / self.sample_rate

    def noise(self, num_samples: int, *, low_hz: float, high_hz: float) -> Tensor:
        """White noise [T] between two frequencies, at a root mean square of 1."""
        spectrum = torch.fft.rfft(torch.randn(num_samples, generator=self.generator))
        frequency = torch.fft.rfftfreq(num_samples, 1 / self.sample_rate)
        # Second-order slopes: brick walls ring.
        gain = 1 / (1 + (low_hz / frequency.clamp(min=1)) ** 4 + (frequency / high_hz) ** 4)
        shaped: Tensor = torch.fft.irfft(spectrum * gain, num_samples)
        return shaped / shaped.square().mean().sqrt().clamp(min=1e-6)

    def tone(self, frequency: Tensor, amplitudes: Tensor) -> Tensor:
        """Harmonics [T] of a frequency [T] in Hz, with amplitudes [K]; none above Nyquist."""
        audible = int(self.sample_rate / 2 // frequency.max().item())
        cycles = torch.cumsum(frequency.double() / self.sample_rate, 0) % 1.0
        harmonics = torch.arange(1, min(len(amplitudes), audible) + 1)
        waves = torch.sin((2 * math.pi * cycles).float() * harmonics[:, None])  # [K, T]
        return torch.mv(waves.T, amplitudes[: len(harmonics)])

    def faded(self, note: Tensor) -> Tensor:
        """The note with short ramps at both ends."""
        ramp = (torch.arange(1, len(note) + 1) / (_FADE_SECONDS * self.sample_rate)).clamp(max=1)
        return note * ramp * ramp.flip(0)


def _place(track: Tensor, note: Tensor, start: int, *, pan: float = 0.0) -> None:
    """Adds a note [T] to our own track [2, T] in place; pan from -1 (left) to 1, equal power."""
    note = note[: max(0, track.shape[-1] - start)]
    angle = (pan + 1) * math.pi / 4
    gains = torch.tensor([math.cos(angle), math.sin(angle)])
    track[:, start : start + len(note)] += gains[:, None] * note


def _hertz(midi_note: float) -> float:
    return 440.0 * 2 ** ((midi_note - 69) / 12)


def _drums(studio: _Studio) -> Tensor:
    track = torch.zeros(2, studio.loop_samples)
    time = studio.seconds(studio.samples(0.6))
    # A kick is a sine that falls from a click's pitch to a thump's within some 30 ms.
    sweep = 48 + 180 * torch.exp(-time / 0.025)
    kick = studio.faded(studio.tone(sweep, torch.ones(1)) * torch.exp(-time / 0.12))
    rattle = studio.noise(len(time), low_hz=1200, high_hz=9000) * torch.exp(-time / 0.07)
    shell = studio.tone(torch.full_like(time, 185.0), torch.tensor([1.0, 0.4]))
    snare = studio.faded(0.22 * rattle + 0.45 * shell * torch.exp(-time / 0.06))
    for bar in range(len(_BARS)):
        first = bar * _BEATS_PER_BAR
        for beat in _KICK_BEATS:
            _place(track, 0.9 * kick, studio.samples(first + beat))
        for beat in _SNARE_BEATS:
            _place(track, snare, studio.samples(first + beat), pan=-0.1)
        for eighth in range(2 * _BEATS_PER_BAR):
            decay = 0.12 if eighth == 7 else 0.03  # the last one of a bar is left open
            hiss = studio.noise(len(time), low_hz=7000, high_hz=15000)
            hat = studio.faded(hiss * torch.exp(-time / decay))
            loudness = 0.10 if eighth % 2 == 0 else 0.07
            _place(track, loudness * hat, studio.samples(first + eighth / 2), pan=0.3)
    return track


def _bass(studio: _Studio) -> Tensor:
    track = torch.zeros(2, studio.loop_samples)
    harmonic = torch.arange(1, 13)
    for bar, (root, _) in enumerate(_BARS):
        for beat, length, interval in _BASS_BEATS:
            time = studio.seconds(studio.samples(length))
            pitch = torch.full_like(time, _hertz(root + interval))
            bright = studio.tone(pitch, harmonic**-1.2)
            dark = studio.tone(pitch, harmonic**-2.5)
            glow = torch.exp(-time / 0.15)  # the upper harmonics of a string die first
            note = (glow * bright + (1 - glow) * dark) * torch.exp(-time / 0.8)
            start = studio.samples(bar * _BEATS_PER_BAR + beat)
            _place(track, 0.4 * studio.faded(note), start)
    return track


def _other(studio: _Studio) -> Tensor:
    track = torch.zeros(2, studio.loop_samples)
    harmonic = torch.arange(1, 25)
    for bar, (_, triad) in enumerate(_BARS):
        start = bar * _BEATS_PER_BAR
        time = studio.seconds(studio.samples(_BEATS_PER_BAR))
        swell = (time / 0.2).clamp(max=1)
        for pan, note in zip((-0.7, 0.2, 0.7), triad, strict=True):
            for cents, side in ((-5, -0.2), (5, 0.2)):  # two detuned oscillators beat gently
                pitch = torch.full_like(time, _hertz(note + cents / 100))
                pad = studio.faded(studio.tone(pitch, harmonic**-1.6) * swell)
                _place(track, 0.07 * pad, studio.samples(start), pan=pan + side)
        for eighth in range(2 * _BEATS_PER_BAR):
            time = studio.seconds(studio.samples(0.9))
            note = triad[(0, 1, 2, 1)[eighth % 4]] + 12
            string = studio.tone(torch.full_like(time, _hertz(note)), harmonic**-1.3)
            pluck = studio.faded(string * torch.exp(-time / 0.18))
            pan = 0.6 if eighth % 2 else -0.6
            _place(track, 0.12 * pluck, studio.samples(start + eighth / 2), pan=pan)
    return track


def _vocals(studio: _Studio) -> Tensor:
    track = torch.zeros(2, studio.loop_samples)
    for beat, length, note, vowel in _MELODY:
        time = studio.seconds(studio.samples(length))
        # Vibrato of 5.5 Hz and a third of a semitone that sets in late, after a scoop from below.
        depth = 0.35 * ((time - 0.15) / 0.3).clamp(0, 1)
        bend = depth * torch.sin(2 * math.pi * 5.5 * time) - 0.8 * torch.exp(-time / 0.04)
        pitch = _hertz(note) * 2 ** (bend / 12)
        voice = studio.tone(pitch, _vowel_amplitudes(_hertz(note), vowel))
        breath = 0.01 * studio.noise(len(time), low_hz=2500, high_hz=9000)
        envelope = (time / 0.05).clamp(max=1) * (time.flip(0) / 0.08).clamp(max=1)
        _place(track, 0.45 * (voice + breath) * envelope, studio.samples(beat))
    return track


def _vowel_amplitudes(pitch_hertz: float, vowel: str) -> Tensor:
    """Amplitudes [K] of a voice's harmonics: a glottal slope through the vowel's resonances."""
    frequency = pitch_hertz * torch.arange(1, 41)
    envelope = torch.full_like(frequency, 0.02)
    for centre, bandwidth, gain in _FORMANTS[vowel]:
        envelope += gain / torch.sqrt(1 + ((frequency - centre) / bandwidth) ** 2)
    return envelope * (pitch_hertz / frequency) ** 0.5
