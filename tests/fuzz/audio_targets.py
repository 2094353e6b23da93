"""Audio in every format, and what is read from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from stemsplit.audio.source import probe, read_blocks
from tests.audio.songs import tone, write_pyav, write_sndfile
from tests.fuzz.mutate import seal_ogg
from tests.fuzz.target import Target

_NUM_SAMPLES = 3000
_MOST_SAMPLES = 10_000_000
"""A few kB of silence in the densest codecs have a tenth of that."""


def read_audio(path: Path) -> None:
    """Reads everything twice, as a separation does, and checks what its readers rely on.

    libopus is excepted from giving the same twice: crafted packets, such as no damage makes, lead
    it to memory that it has not set.
    """
    info = probe(path)
    passes = []
    for _ in range(2):
        blocks = [block.numpy() for block in read_blocks(path)]
        assert all(block.shape[0] == info.num_channels for block in blocks)
        assert all(block.dtype == np.float32 for block in blocks)
        passes.append(np.concatenate(blocks, axis=-1) if blocks else np.zeros(0))
    assert passes[0].shape == passes[1].shape
    assert np.array_equal(*passes) or info.codec == "opus", "two passes gave different samples"
    assert info.missing_samples(passes[0].shape[-1]) >= 0
    assert passes[0].shape[-1] <= _MOST_SAMPLES, "silence out of all proportion"


def _sndfile_seeds(*names: str, **options: Any) -> Callable[[Path], Sequence[bytes]]:
    """Intact files for each `container/subtype[/channels]`, by libsndfile."""

    def make(folder: Path) -> list[bytes]:
        seeds = []
        for name in names:
            container, subtype, *channels = name.split("/")
            samples = tone(_NUM_SAMPLES, num_channels=int(channels[0]) if channels else 2)
            path = folder / "seed"
            write_sndfile(path, samples, container=container, subtype=subtype, **options)
            seeds.append(path.read_bytes())
        return seeds

    return make


def _pyav_seeds(container: str, *codecs: str, **options: Any) -> Callable[[Path], Sequence[bytes]]:
    """Intact files for each codec, by ffmpeg."""

    def make(folder: Path) -> list[bytes]:
        path = folder / "seed"
        return [
            write_pyav(
                path, tone(_NUM_SAMPLES), codec=codec, container=container, **options
            ).read_bytes()
            for codec in codecs
        ]

    return make


def _seal_ogg(rng: Random, data: bytes) -> bytes:
    return seal_ogg(data) if rng.random() < 0.8 else data


AUDIO_TARGETS = {
    "wav": Target(
        ".wav",
        _sndfile_seeds("WAV/PCM_16", "WAV/PCM_24/1", "WAV/FLOAT", "WAVEX/PCM_16/6", "RF64/PCM_16"),
        read_audio,
        (b"RIFX", b"RF64", b"ds64", b"data\0\0\0\0", b"fmt \0\0\0\0", b"LIST\xff\xff\xff\xff"),
    ),
    "wav-codecs": Target(
        ".wav",
        _sndfile_seeds(
            *("WAV/ULAW", "WAV/IMA_ADPCM", "WAV/MS_ADPCM", "WAV/GSM610/1", "WAV/DOUBLE/1"),
            "WAV/G721_32/1",
        ),
        read_audio,
    ),
    "flac": Target(".flac", _sndfile_seeds("FLAC/PCM_16", "FLAC/PCM_24/1"), read_audio),
    "mp3": Target(
        ".mp3",
        _pyav_seeds("mp3", "libmp3lame"),
        read_audio,
        (
            b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
            b"Xing",
            b"Info",
            b"LAME",
            b"TAG",
            b"APETAGEX",
            b"\xff\xfb",
        ),
    ),
    "ogg": Target(
        ".ogg",
        _sndfile_seeds("OGG/VORBIS", "OGG/VORBIS/1"),
        read_audio,
        (b"\x01vorbis", b"\x03vorbis", b"\x05vorbis", b"fishead\0", b"BBCD\0"),
        _seal_ogg,
    ),
    "opus": Target(
        ".opus",
        _sndfile_seeds("OGG/OPUS", "OGG/OPUS/1", sample_rate=48_000),
        read_audio,
        (b"OpusHead", b"OpusTags"),
        _seal_ogg,
    ),
    "m4a": Target(
        ".m4a",
        _pyav_seeds("ipod", "aac", "alac", options={"movflags": "+faststart"}),
        read_audio,
        (b"moov", b"trak", b"stbl", b"stsz", b"stco", b"co64", b"edts", b"elst", b"esds", b"moof"),
    ),
    "aiff": Target(
        ".aiff",
        _sndfile_seeds("AIFF/PCM_16", "AIFF/PCM_24/1", "AIFF/FLOAT", "AIFF/ULAW"),
        read_audio,
        (b"AIFC", b"COMM", b"SSND", b"MARK", b"INST", b"sowt"),
    ),
    # Not with ALAC: libsndfile's decoder for it prints on stdout, for one of 7000 mutated files.
    # ffmpeg's is quiet, but for intact files from libsndfile it loses the last packet.
    "caf": Target(".caf", _sndfile_seeds("CAF/PCM_16", "CAF/PCM_24/1", "CAF/FLOAT/1"), read_audio),
    "au": Target(".au", _sndfile_seeds("AU/PCM_16", "AU/ULAW/1", "AU/FLOAT"), read_audio),
    "w64": Target(".w64", _sndfile_seeds("W64/PCM_16", "W64/FLOAT/1"), read_audio),
    "oga": Target(".oga", _pyav_seeds("ogg", "flac"), read_audio, (b"\x7fFLAC",), _seal_ogg),
    "mkv": Target(
        ".mkv",
        _pyav_seeds("matroska", "flac", "aac", "libmp3lame"),
        read_audio,
        (b"\x44\x89\x88", b"\x2a\xd7\xb1\x87", b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff"),
    ),
    "wma": Target(
        ".wma",
        _pyav_seeds("asf", "wmav2"),
        read_audio,
        (bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"),),
    ),
    "aac": Target(".aac", _pyav_seeds("adts", "aac"), read_audio),
    "wv": Target(".wv", _pyav_seeds("wv", "wavpack"), read_audio, (b"wvpk",)),
    "tta": Target(".tta", _pyav_seeds("tta", "tta"), read_audio),
    "avi": Target(
        ".avi",
        _pyav_seeds("avi", "libmp3lame", "pcm_s16le", "ac3"),
        read_audio,
        (b"strh", b"auds", b"LIST\xff\xff\xff\x7f", b"RIFF", b"AVIX", b"movi"),
    ),
    "flv": Target(".flv", _pyav_seeds("flv", "aac"), read_audio, (b"\0\x08duration\0",)),
}
