"""Takes a finished song apart.

    from stemsplit import Separator
    stems = Separator("htdemucs").separate("song.mp3")
    stems["vocals"]       # float32 [C, T], as long as the song
    stems.sample_rate     # the song's own
    stems.save("stems")   # stems/vocals.wav and so on

`import stemsplit` is cheap: torch is imported when a name below is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stemsplit.errors import StemsplitError
from stemsplit.version import __version__

if TYPE_CHECKING:
    from stemsplit.engine.named_arrays import SeparatedBlock
    from stemsplit.engine.separation import Separation
    from stemsplit.engine.separator import Separator
    from stemsplit.hub.catalog import list_models
    from stemsplit.stages import Stage

__all__ = [
    "SeparatedBlock",
    "Separation",
    "Separator",
    "Stage",
    "StemsplitError",
    "__version__",
    "list_models",
]

_HOMES = {
    "SeparatedBlock": "stemsplit.engine.named_arrays",
    "Separation": "stemsplit.engine.separation",
    "Separator": "stemsplit.engine.separator",
    "Stage": "stemsplit.stages",
    "list_models": "stemsplit.hub.catalog",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stemsplit' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
