"""The command lines, by story: those of one story run one after the other in one folder."""

from __future__ import annotations

from collections.abc import Mapping

from tests.golden.make_finished_tracks import RUNS as FINISHED_RUNS
from tests.golden.make_finished_tracks import command as finished_command

Line = tuple[str, ...]


def _line(text: str) -> Line:
    """Splits at two spaces or more, so that single ones may be in an argument."""
    return tuple(word for word in text.split("  ") if word)


def _each(prefix: str, *options: str) -> tuple[Line, ...]:
    return tuple(_line(f"{prefix}  {option}") for option in options)


_SPECTRAL = "song.wav  -m  spectral  --json"
FAMILIES = (
    *("htdemucs.safetensors", "hdemucs.safetensors", "demucs.safetensors", "demucs_v2.th"),
    *("tasnet.th", "bs_roformer/a.ckpt", "mel_band_roformer/a.ckpt", "scnet/a.ckpt"),
    *("mdx23c/a.ckpt", "openunmix"),
)

STORIES: Mapping[str, tuple[Line, ...]] = {
    "first run": (
        _line("song.wav"),
        _line("song.wav  --json"),
        _line("separate  song.wav  --json  --overwrite"),
        _line("song.wav  --json  --dry-run"),
        _line("song.wav  -q"),
    ),
    "stems": _each(
        _SPECTRAL,
        "--stems  vocals,drums",
        "--stems  bass",
        "--two-stems  vocals  -o  karaoke",
        "--two-stems  vocals  --complement  sum  -o  sum",
        "--mix  practice = mixture - drums  -o  mixes",
        "--residual  -o  residual",
        "--sum-to-mix  -o  sum to mix",
    ),
    "formats": _each(
        f"{_SPECTRAL}  --stems  drums",
        "--format  flac  --bit-depth  16",
        "--format  aiff  --bit-depth  32f",
        "--bit-depth  16  --dither  --seed  4  -o  dithered",
        "--format  m4a  --codec  alac",
    ),
    "lossy": _each(
        f"{_SPECTRAL}  --two-stems  vocals",
        "--format  mp3  --bitrate  V2",
        "--format  ogg  --bitrate  128",
        "--format  opus  --sample-rate  48000",
        "--format  m4a  --no-tags",
    ),
    "stem file": _each(_SPECTRAL, "--format  stem.mp4", "--format  stem.mp4  --codec  alac"),
    "ranges": _each(
        f"{_SPECTRAL}  --stems  vocals",
        "--start  0.05  --end  0.15",
        "--start  0:00.1  -o  rest",
        "--end  9  -o  beyond",
        "--start  9  -o  nothing",
    ),
    "songs": (
        _line("mono.flac  surround.wav  quiet.wav  slow.wav  -m  spectral  --json"),
        _line("loud.wav  -m  spectral  --json"),
        _line("loud.wav  -m  spectral  --json  --clip  clamp  -o  clamped"),
        _line("surround.wav  -m  spectral  --json  --lfe  drums  -o  low"),
        _line("slow.wav  -m  spectral  --json  --sample-rate  model  -o  model rate"),
    ),
    "a folder": (
        _line("album  -m  spectral  --json"),
        _line("album  -m  spectral  --json"),
        _line("album  -m  spectral  --json  --format  flac"),
        _line("album  -m  spectral  --template  {track}/{stem} ({model}).{ext}  --json"),
        _line("album  -m  spectral  --json  --dry-run  -o  elsewhere"),
    ),
    "lists": (
        _line("some.m3u8  -m  spectral  --json  --stems  drums"),
        _line("disc.cue  -m  spectral  --json  --stems  drums"),
        _line("disc.cue  -m  spectral  --json  --stems  drums"),
        _line("https://example.org/song.mp3  -m  spectral"),
    ),
    "networks": tuple(
        _line(f"song.wav  -m  models/{name}  --precision  fp32  --json") for name in FAMILIES
    ),
    "how networks run": _each(
        "song.wav  -m  models/bag/small.yaml  --json  --precision  fp32",
        "--shifts  2  --seed  3",
        "--overlap  0.1  --segment  0.3  -o  short",
        "--stems  vocals  --batch-size  2  -o  batches",
        "--sample-rate  22050  -o  halved",
    ),
    "several models": _each(
        "song.wav  --json  --precision  fp32",
        "-m  vocals=models/htdemucs.safetensors,*=spectral",
        "-m  models/htdemucs.safetensors*2 + models/hdemucs.safetensors",
        "-m  models/scnet/a.ckpt + spectral  --stems  vocals",
        "-m  spectral  --then  vocals: models/mdx23c/a.ckpt",
        "-m  spectral  --stems  vocals  --then  other: spectral  -o  steps",
    ),
    "bad usage": (
        _line("missing.wav  -m  spectral"),
        _line("song.wav  -m  spectral  --overlap  1.5"),
        _line("song.wav  -m  spectral  --stems  voice"),
        _line("song.wav  -m  spectral  --two-stems  vocals  --stems  drums"),
        _line("song.wav  --no-such-option"),
        _line("list"),
        _line("song.wav  text.wav  -m  spectral  --json"),
    ),
    "models that cannot be had": (
        _line("song.wav  -m  htdemucs"),
        _line("song.wav  -m  no-such-model"),
        _line("song.wav  -m  models/broken.safetensors"),
    ),
    "other commands": (
        _line("models  show  htdemucs  --json"),
        _line("models  show  spectral"),
        _line("demo  -m  spectral  -o  demo"),
        _line("report  demo"),
    ),
    **{
        f"finished by {version}": tuple(
            (*finished_command(run), "-o", f"{version}/{run}", "--json")
            for run in list(FINISHED_RUNS)
            if run not in ("lossy", "stem file")
        )
        for version in ("0.4.0",)
    },
}
"""Every line of the story that is told about one folder. `--offline` is set for all of them."""
