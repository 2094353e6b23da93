"""Which data sets are known, by their names: what needs no more of them imports no more."""

from __future__ import annotations

from typing import Literal

Layout = Literal[
    "musdb18",
    "musdb18-hq",
    "dsd100",
    "slakh2100",
    "moisesdb",
    "wham",
    "wham-noisy",
    "wham-single",
    "librimix",
    "librimix-noisy",
    "librimix-single",
    "voicebank-demand",
    "dns-challenge",
    "folder",
]
Subset = Literal["test", "train", "all"]
