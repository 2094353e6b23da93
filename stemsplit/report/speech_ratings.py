"""How good the speech was before it was separated from the rest, and how good it is now."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from torch import Tensor

from stemsplit.errors import StemsplitError
from stemsplit.evaluate.dnsmos import SpeechQuality, dnsmos, has_dnsmos
from stemsplit.report.markup import Cell, table
from stemsplit.report.records import SongRecords
from stemsplit.report.sounds import PlayableSound, SongSounds

SPEECH = "speech"

_MAX_WINDOWS = 12
"""Each takes a quarter of a second, of the original and of every separation."""


def rates_speech(records: SongRecords) -> bool:
    """Whether the page has such a table: there is speech, and what rates it is installed."""
    names = {output.name for track in records.tracks for output in track.outputs}
    return SPEECH in names and has_dnsmos()


def speech_ratings(song: SongSounds) -> str:
    """A table of the original and each separation's speech, or nothing."""
    if not rates_speech(song.records):
        return ""
    several = len(song.records.tracks) > 1
    rows: list[list[Cell]] = []
    for lane in song.lanes:
        if lane.sound.stem in (None, SPEECH):
            name = "Original" if lane.sound.stem is None else SPEECH
            model = [lane.sound.label] if several else []
            rows.append([name, *model, *_cells(rate_lane(lane))])
    headings = ["", *(["Model"] if several else []), "Overall", "Voice", "Background", "P.808"]
    caption = "What listeners would say of the speech, as DNSMOS guesses: 1 bad, 5 excellent"
    return table(caption, headings, rows)


def rate_lane(lane: PlayableSound) -> SpeechQuality | None:
    """How good a sound is as speech; None for silence, or if it cannot be read any more.

    Of long ones windows are taken at equal distances, a dozen at most.
    """
    hop_seconds = max(1, ceil(lane.sound.duration_seconds / _MAX_WINDOWS))
    rate = lane.clip.info.sample_rate
    try:
        return dnsmos(_as_loud_as_the_song(lane), sample_rate=rate, hop_seconds=hop_seconds)
    except StemsplitError:
        return None


def _as_loud_as_the_song(lane: PlayableSound) -> Iterator[Tensor]:
    gain = 10 ** (-lane.sound.gain_db / 20)
    return (block * gain for block in lane.clip.blocks())


def _cells(quality: SpeechQuality | None) -> list[Cell]:
    if quality is None:
        return [None] * 4
    values = (quality.overall, quality.signal, quality.background, quality.p808)
    return [f"{value:.2f}" for value in values]
