"""Where the outputs of a track go."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path

from stemsplit.audio.file_names import component
from stemsplit.errors import UsageError

DEFAULT_TEMPLATE = "{model}/{dir}/{track}/{stem}.{ext}"
FIELDS = ("model", "dir", "track", "stem", "ext")
RECORD_NAME = "stemsplit.json"


def check_template(template: str) -> str:
    """`template` itself, if it can name output files inside the output folder.

    Raises:
        UsageError: an unknown field, no {stem}, or a path that would leave the folder.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"`template` {template!r}: {error}.") from None
    fields = [name for _, name, _, _ in parts if name is not None]
    plain = all(not spec and not conversion for _, _, spec, conversion in parts)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown or not plain:
        raise UsageError(
            f"`template` {template!r} has the field {{{(unknown or fields)[0]}}}.",
            hint=f"Use plain {', '.join('{' + name + '}' for name in FIELDS)}.",
        )
    if "stem" not in fields:
        raise UsageError(
            f"`template` {template!r} would write every stem to the same file.",
            hint="It needs {stem}.",
        )
    components = template.replace("\\", "/").split("/")
    if ".." in components or Path(template).is_absolute() or Path(template).drive:
        raise UsageError(
            f"`template` {template!r} leaves the output folder.",
            hint="Set the folder with `folder`.",
        )
    return template


def output_path(output_dir: Path, template: str, fields: Mapping[str, str]) -> Path:
    """The file below `output_dir` that a checked template names.

    Values never add a level of folders, except {dir}, whose own levels are kept.
    """
    values = {
        name: "/".join(component(part) for part in value.split("/") if part)
        if name == "dir"
        else component(value)
        for name, value in fields.items()
    }
    relative = template.replace("\\", "/").format_map(values)
    parts = (part for part in relative.split("/") if part not in ("", "."))
    # Once more, now that they are put together: "{dir}.." is ".." for a song without a subfolder.
    return output_dir.joinpath(*map(component, parts))


def record_path(output_dir: Path, template: str, fields: Mapping[str, str]) -> Path:
    """Where the track's stemsplit.json goes: in the innermost folder that all its stems share.

    A template that puts several tracks into that folder gets the track's name into the file's.
    """
    folders: list[str] = []
    for level in template.replace("\\", "/").split("/"):
        if "{stem}" in level:
            break
        folders.append(level)
    own_folder = any("{track}" in folder for folder in folders)
    name = RECORD_NAME if own_folder else "{track}." + RECORD_NAME
    return output_path(output_dir, "/".join([*folders, name]), fields)
