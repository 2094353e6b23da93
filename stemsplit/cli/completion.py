"""What a shell offers after Tab. Nothing here may import torch: it must be there at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import typer

from stemsplit.errors import StemsplitError
from stemsplit.hub.catalog import list_models, load_catalog, load_purposes
from stemsplit.hub.expression import catalogue_stems

_Offer = tuple[str, str]
"""A word, and what it means."""


def complete_models(incomplete: str) -> list[_Offer]:
    """Models of the catalogue, also as a part of an expression such as vocals=A,*=B."""
    begun = max(incomplete.rfind(sign) for sign in "=+,*") + 1
    return [
        (incomplete[:begun] + name, entry.description)
        for entry in load_catalog().values()
        for name in (entry.name, *entry.aliases)
    ]


def complete_purposes() -> list[str]:
    return [purpose.name for purpose in load_purposes()]


def complete_stems(ctx: typer.Context, incomplete: str) -> list[str]:
    """The stems of the model that is named on the command line, also after a comma."""
    begun = incomplete.rfind(",") + 1
    taken = incomplete[:begun].split(",")
    return [incomplete[:begun] + stem for stem in _stems(ctx) if stem not in taken]


def complete_inputs(ctx: typer.Context, incomplete: str) -> list[_Offer]:
    """What follows a = in the value of an option, in bash; songs are what shells offer themselves.

    For bash, = ends a word: in `-m vocals=htd` it asks for what begins with `htd`, on its own.
    """
    words = os.environ.get("COMP_WORDS", "").split("\n")
    words, last = words[: int(os.environ.get("COMP_CWORD") or 0)], words[-1]
    if last == "=":  # nothing has been typed after it
        words.append(last)
    name = ""
    while words[-1:] == ["="]:
        words, value = words[:-2], words[-2:-1]
        # `--model=`, or else `-m vocals=`, where the option comes before the value
        name = "".join(value if value and value[0].startswith("-") else words[-1:])
    options = (each for each in ctx.command.params if name in each.opts)
    return [
        (item.value, item.help or "")
        for option in options
        for item in option.shell_complete(ctx, incomplete)
    ]


def complete_devices() -> list[str]:
    """The kinds of devices that there are, here or elsewhere: to ask for them imports torch."""
    return ["auto", "cpu", "cuda", "mps"]


def complete_sample_rates() -> list[str]:
    return ["source", "model", "44100", "48000"]


def _stems(ctx: typer.Context) -> Sequence[str]:
    named: Iterable[str] = ctx.params.get("models") or list_models()[:1]
    found: list[str] = []
    for model in named:
        try:
            found += catalogue_stems(model) or ()
        except StemsplitError:  # half of an expression, say
            continue
    return list(dict.fromkeys(found))
