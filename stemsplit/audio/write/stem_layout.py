"""What a stem file (`stemsplit.audio.write.stem_mp4`) holds."""

from __future__ import annotations

MASTER = "mixture"
STEMS = ("drums", "bass", "other", "vocals")
SAMPLE_RATES = (44_100, 48_000)

STEM_FILE = "stem.mp4"
"""The name of the one output, as that of a stem in other formats."""


def stem_file_rate(sample_rate: int) -> int:
    """The rate at which a song goes into a stem file.

    It is the song's own, or 44.1 kHz where DJ software would not load the file.
    """
    return sample_rate if sample_rate in SAMPLE_RATES else SAMPLE_RATES[0]
