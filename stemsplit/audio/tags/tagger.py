"""The song's tags in its stems."""

from __future__ import annotations

from pathlib import Path

from stemsplit.audio.encode.encoders import Encoding
from stemsplit.audio.file_names import display_path
from stemsplit.audio.tags.song_tags import Tags
from stemsplit.audio.tags.tag_writer import write_tags
from stemsplit.audio.write.stem_layout import STEM_FILE


class Tagger:
    """Writes the tags of a song into its outputs. `warnings` tell what did not work.

    `track`: its name, which is the title if it has none.
    """

    def __init__(self, tags: Tags, track: str, encoding: Encoding) -> None:
        self._tags = tags
        self._track = track
        self._container = encoding.container
        self._too_large: list[str] = []

    def __call__(self, name: str, part: Path) -> None:
        """Tags one finished output, whose title gets its name; that of a stem file stays."""
        tags = self._tags.titled(self._track, None if name == STEM_FILE else name)
        if not write_tags(part, self._container, tags):
            self._too_large.append(name)

    @property
    def warnings(self) -> tuple[str, ...]:
        if not self._too_large:
            return self._tags.warnings
        return (
            *self._tags.warnings,
            f"{', '.join(self._too_large)} of {display_path(self._track)} are too large for tags: "
            f"{self._container} files hold none beyond 4 GiB.",
        )
