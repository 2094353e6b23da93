"""What is to be made of which song, by which model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stemsplit.cli.completion import complete_models, complete_stems
from stemsplit.cli.from_demucs import models_in
from stemsplit.cli.options.declare import DECLARED, SOUND, SPEED, WHAT, declared, option
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.preference import Preference
from stemsplit.engine.steps import parse_step
from stemsplit.errors import UsageError
from stemsplit.hub.choose import Quality


def seconds(flag: str, text: str) -> float:
    """A time in seconds, from 83.5 or 1:23.5 or 0:01:23.5.

    Raises:
        UsageError: it is neither.
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", str(text).strip())
    if match is None:
        raise UsageError(
            f"{flag} {text!r} is no time.", hint="Use seconds such as 83.5, or 1:23.5."
        )
    hours, minutes, rest = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def _step(_flag: str, text: str) -> tuple[str, str]:
    return parse_step(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelOptions:
    """The model, or how to choose one."""

    models: tuple[str, ...] = option(
        (),
        "-m",
        "--model",
        "-n",
        "--name",
        panel=WHAT,
        metavar="NAME|PATH|hf://OWNER/REPO",
        help="The model to run, one of `stemsplit models list` for example. vocals=A,*=B takes the "
        "vocals of one and the rest of another, A*2+B the mean of two. With --preview it may be "
        "given several times.",
        show_default="htdemucs, or spectral where that cannot be had",
        autocompletion=complete_models,
    )
    quality: Quality | None = option(
        None,
        panel=WHAT,
        help="Choose the model for the wanted stems and this device, and say which: about as fast "
        "as the music or faster, the best that a CPU bears (balanced), or the best there is.",
    )
    licence: Literal["permissive"] | None = option(
        None,
        panel=WHAT,
        help="Only models whose weights allow any use, as far as is known; alone, it chooses a "
        "balanced one.",
    )
    then: tuple[tuple[str, str], ...] = option(
        (),
        panel=WHAT,
        reads=_step,
        after="complement",
        metavar='"STEM: MODEL"',
        help='Take a stem apart as well: "vocals: karaoke", "drums: drumsep". May be given several '
        "times, also for what an earlier one made.",
    )
    # What people know from demucs.
    repo: Path | None = option(None, hidden=True)
    signature: str | None = option(None, "-s", "--sig", hidden=True)
    list_models: bool = option(False, hidden=True)

    @property
    def preference(self) -> Preference:
        return Preference.of(self.quality, self.licence)

    def named(self) -> list[str]:
        """The models that were named.

        Raises:
            UsageError, UnknownModelError: as `from_demucs.models_in`.
        """
        return models_in(self.repo, self.models, self.signature)


DECLARED[SeparationOptions] = {
    "stems": declared(
        panel=WHAT,
        commas=True,
        metavar="A,B",
        help="Only these stems, such as vocals,drums.",
        show_default="all that the model has",
        autocompletion=complete_stems,
    ),
    "two_stems": declared(
        panel=WHAT,
        metavar="STEM",
        help="STEM and no_STEM, for karaoke say.",
        autocompletion=complete_stems,
    ),
    "complement": declared(
        "--complement",
        "--other-method",
        panel=WHAT,
        words={"minus": "subtract", "add": "sum"},  # those of demucs
        help="no_STEM is the mixture minus STEM (subtract), the sum of the other stems (sum), "
        "or not written (none).",
    ),
    "mixes": declared(
        "--mix",
        panel=WHAT,
        metavar='"NAME = SUM"',
        help='Write a mix: "practice = mixture - drums + 0.5*vocals". With mixes, stems are '
        "written only if --stems names them. May be given several times.",
    ),
    "residual": declared(panel=WHAT, help="Also write the mixture minus all stems."),
    "sum_to_mix": declared(panel=WHAT, help="Put whatever the stems leave over into `other`."),
    "lfe": declared(
        panel=SOUND,
        metavar="STEM",
        help="The stem that gets the low-frequency channel of surround songs.",
        show_default="bass, if the model has it",
        autocompletion=complete_stems,
    ),
    "overlap": declared(
        panel=SPEED,
        metavar="SHARE",
        help="Share of each chunk, in [0, 1), that the next one covers as well.",
        show_default="the model's, mostly 0.25",
    ),
    "segment_seconds": declared(
        "--segment",
        panel=SPEED,
        metavar="SECONDS",
        help="Length of the chunks.",
        show_default="the model's",
    ),
    "shifts": declared(
        panel=SPEED,
        metavar="N",
        help="Random time shifts to average over, each as much work as the song; 0 is none.",
    ),
    "seed": declared(panel=SPEED, metavar="N", help="For the random shifts."),
}

DECLARED[Excerpt] = {
    "start_seconds": declared(
        "--start",
        panel=WHAT,
        reads=seconds,
        metavar="SECONDS|M:SS",
        help="Only from here on, to the sample.",
    ),
    "end_seconds": declared(
        "--end",
        panel=WHAT,
        reads=seconds,
        metavar="SECONDS|M:SS",
        help="Only up to here.",
        show_default="the song's end",
    ),
    "audio_track": declared(
        "--track",
        panel=WHAT,
        least=1,
        metavar="N",
        help="Which audio track of a video, or of a file with several, is the song.",
    ),
}
