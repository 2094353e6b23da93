"""What is said about the steps of a chain (`stemsplit.engine.chain`) before there are models."""

from __future__ import annotations

from collections.abc import Sequence

from stemsplit.errors import UsageError, check_texts


def parse_step(text: str) -> tuple[str, str]:
    """The parent and the model of one step.

    Raises:
        UsageError: it is not of the form "parent: model".
    """
    parent, colon, model = (part.strip() for part in text.partition(":"))
    if not (parent and colon and model):
        raise UsageError(
            f"`then` {text!r} does not say which output goes through which model.",
            hint="Example: `then=['vocals: karaoke']`",
        )
    return parent, model


def parse_steps(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The parent and the model of each step.

    Raises:
        UsageError: one is not of the form "parent: model".
    """
    check_texts("then", texts, "steps")
    return tuple(map(parse_step, texts))


def first_parents(parents: Sequence[str]) -> tuple[str, ...]:
    """Those of the steps' `parents` that are no children of an earlier step, by their names."""
    found: list[str] = []
    for index, parent in enumerate(parents):
        earlier = parents[:index]
        if not any(parent.startswith(f"{other}_") for other in earlier) and parent not in found:
            found.append(parent)
    return tuple(found)
