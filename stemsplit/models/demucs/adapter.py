"""From the tensor names of the previous generation of Demucs to those of this one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from torch import Tensor

# Layers used to have no place for a normalisation, so what is now the fourth module was the third.
_OLD_NAME = re.compile(r"((?:en|de)coder\.\d+)\.2\.(weight|bias)")


def adapt_names(tensors: Mapping[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """The same tensors, under the names that the network expects where these are the old ones.

    A name that the network itself uses, or whose new form is taken, is left alone.
    """
    adapted = dict(tensors)
    for name in tensors:
        new_name = _OLD_NAME.sub(r"\1.3.\2", name)
        if name not in expected and new_name not in adapted:
            adapted[new_name] = adapted.pop(name)
    return adapted
