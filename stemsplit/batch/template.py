"""Where the outputs of a track go."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path

from stemsplit.audio.file_names import component
from stemsplit.errors import UsageError

DEFAULT_TEMPLATE = "{model}/{dir}/{track}/{stem}.{ext}"
FIELDS = ("model", "dir", "track", "stem", "ext", "root", "original_ext", "id")
RECORD_NAME = "stemsplit.json"

# How the name of a file ends, and a number or a sentence does not: vocals.wav, but not Vol. 2.
_EXTENSION = re.compile(r"\.(?=[0-9]*[A-Za-z])[0-9A-Za-z]{1,5}$")


def check_template(template: str) -> str:
    """`template`, if it can name output files inside the output folder; with an extension.

    Raises:
        UsageError: an unknown field, no {stem}, or a path that would leave the folder.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise UsageError(f"`template` {template!r}: {error}.") from None
    fields = [name for _, name, _, _ in parts if name is not None]
    # Put together again from plain fields it must be the same: nothing else is in the braces.
    plain = "".join(
        text.replace("{", "{{").replace("}", "}}") + ("" if name is None else f"{{{name}}}")
        for text, name, _, _ in parts
    )
    unknown = [name for name in fields if name not in FIELDS]
    if unknown or plain != template:
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
    template = template.rstrip("/\\.")
    if template.endswith(".{ext}") or _EXTENSION.search(template):
        return template
    return template + ".{ext}"


def finer_templates(template: str) -> Iterator[str]:
    """`template`, and then others made of it that tell more songs apart; the last one tells all.

    First by the folders that the songs are in, then by the extensions that they have, then by both.
    Of a template with braces in the names themselves there are none.
    """
    yield template
    if "{{" in template or "}}" in template:
        return
    if "{track}" not in template:
        template = _below("{track}", template)
        yield template
    folders = [
        folder
        for folder in ("{dir}", "{root}", "{root}/{dir}")
        if not any(field in template for field in folder.split("/"))
    ]
    by_extension = template.replace("{track}", "{track}.{original_ext}", 1)
    yield from (_below(folder, template) for folder in folders)
    yield by_extension
    yield from (_below(folder, by_extension) for folder in folders)
    yield template.replace("{track}", "{track} {id}", 1)


def _below(folder: str, template: str) -> str:
    """The template with one more level of folders, above all those that differ between songs."""
    levels = template.replace("\\", "/").split("/")
    own = next(
        index
        for index, level in enumerate(levels)
        if any(field in level for field in ("{dir}", "{track}", "{stem}"))
    )
    return "/".join([*levels[:own], folder, *levels[own:]])


def output_path(output_dir: Path, template: str, fields: Mapping[str, str]) -> Path:
    """The file below `output_dir` that a checked template names.

    Values never add a level of folders, except {dir}, whose own levels are kept. An {original_ext}
    that is empty takes the dot before it with it.
    """
    if fields.get("original_ext") == "":
        template = template.replace(".{original_ext}", "")
    values = {
        name: "/".join(component(part) for part in value.split("/") if part)
        if name == "dir"
        else component(value)
        for name, value in fields.items()
        if f"{{{name}}}" in template
    }
    relative = template.replace("\\", "/").format_map(values)
    parts = (part for part in relative.split("/") if part not in ("", "."))
    # Once more, now that they are put together: "{dir}.." is ".." for a song without a subfolder.
    return output_dir.joinpath(*map(component, parts))


def record_path(output_dir: Path, template: str, fields: Mapping[str, str]) -> Path:
    """Where the track's stemsplit.json goes: in the innermost folder that all its stems share.

    A template that puts several tracks into that folder gets into the file's name what tells them
    apart: the track's name, and other fields of which the folder's name has none.
    """
    levels = template.replace("\\", "/").split("/")
    num_folders = next(index for index, level in enumerate(levels) if "{stem}" in level)
    folders, names = levels[:num_folders], levels[num_folders:]
    telling = [
        field
        for field in ("{root}", "{original_ext}", "{id}")
        if any(field in name for name in names)
    ]
    own_folder = not telling and any("{track}" in folder for folder in folders)
    name = RECORD_NAME if own_folder else ".".join(["{track}", *telling, RECORD_NAME])
    return output_path(output_dir, "/".join([*folders, name]), fields)
