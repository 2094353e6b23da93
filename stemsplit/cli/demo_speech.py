"""`stemsplit demo --speech`: noisy speech to measure denoisers on."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stemsplit.audio.file_names import display_path
from stemsplit.cli.numbers import number
from stemsplit.cli.options.declare import FILES, WHAT, option
from stemsplit.cli.printer.command_events import Talk, Waiting
from stemsplit.cli.printer.sink import Show
from stemsplit.cli.process import importing
from stemsplit.cli.usage_checks import check_there
from stemsplit.cli.wav_files import write_wav_files
from stemsplit.engine.note import Note
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.quoting import counted


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisySpeechOptions:
    """From which recordings noisy speech is mixed, and how."""

    speech: bool = option(
        False,
        panel=WHAT,
        help="Make noisy speech with known parts instead, for `stemsplit evaluate`.",
    )
    clean: Path | None = option(
        None,
        panel=FILES,
        metavar="DIR",
        help="Recordings of speech for --speech.",
        show_default="a synthetic voice",
    )
    noise: Path | None = option(
        None,
        panel=FILES,
        metavar="DIR",
        help="Recordings of noise for --speech.",
        show_default="hum and hiss",
    )
    snr: tuple[str, ...] | None = option(
        None,
        panel=WHAT,
        commas=True,
        metavar="DB,DB",
        help="By how much the speech is louder than the noise; every recording is there with each.",
        show_default="0,5,10",
    )
    seed: int | None = option(
        None, panel=WHAT, metavar="N", help="Which noise is drawn.", show_default="0"
    )

    def check(self) -> None:
        """Raises UsageError if options are for noisy speech, and it was not asked for."""
        for name in ("clean", "noise", "snr", "seed"):
            if not self.speech and getattr(self, name) is not None:
                raise UsageError(f"--{name} is for noisy speech.", hint="Add --speech.")


def write_noisy_speech(asked: NoisySpeechOptions, folder: Path, show: Show) -> bool:
    """Writes a folder for each recording and ratio; whether every recording could be used.

    Raises:
        UsageError: the folder holds something already, or there is nothing to mix.
    """
    snrs_db = [number("--snr")(text) for text in asked.snr or ("0", "5", "10")]
    for given in (asked.clean, asked.noise):
        if given is not None:
            check_there(given)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(
            f"{display_path(folder)} is not empty: what is there would be measured as well.",
            hint="Choose another `folder`.",
        )
    show(Waiting("Loading PyTorch"))
    with importing():
        from stemsplit.evaluate.noisy_speech import mix_noisy_speech, plan_noisy_speech

    num_written, seed = 0, asked.seed or 0
    with tempfile.TemporaryDirectory() as own:
        clean, noise = _sources(asked, Path(own), seed)
        tracks = plan_noisy_speech(clean, noise, snrs_db=snrs_db, seed=seed)
        for index, track in enumerate(tracks, start=1):
            show(Waiting(f"Mixing {index} of {len(tracks)}"))
            try:
                parts, sample_rate = mix_noisy_speech(track)
            except AudioReadError as error:
                show(Note(f"{error} It is passed over."))
                continue
            files = {folder / track.name / f"{name}.wav": parts[name] for name in parts}
            write_wav_files(files, sample_rate=sample_rate)
            num_written += 1
    if not num_written:
        raise UsageError("None of the recordings could be mixed.")
    place = display_path(folder)
    if asked.clean is None:
        show(Talk("A network that knows real voices may take this one for noise: see --clean."))
    show(Talk(f"{counted(num_written, 'noisy recording')} in {place}, to be measured with:"))
    show(Talk(f"stemsplit evaluate {shlex.quote(place)} -m MODEL --metric si_sdr,si_sdri"))
    return num_written == len(tracks)


def _sources(asked: NoisySpeechOptions, own: Path, seed: int) -> tuple[Path, Path]:
    """The folders of speech and of noise; what was not given is made in the folder `own`."""
    from stemsplit.evaluate.dataset import NOISE, SPEECH
    from stemsplit.evaluate.noisy_speech import make_demo_speech

    if asked.clean is None or asked.noise is None:
        parts, sample_rate = make_demo_speech(seed)
        for name, samples in parts.items():
            write_wav_files({own / name / f"{name}.wav": samples}, sample_rate=sample_rate)
    return asked.clean or own / SPEECH, asked.noise or own / NOISE
