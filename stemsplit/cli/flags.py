"""The library's words for arguments, in the words of the command line.

A message of the library names arguments as Python has them, in backticks: `overlap`, or with a
value, `device='cpu'`. Whoever wrote Python reads it so. Whoever typed a command line reads
`--overlap` and `--device cpu`: text of the library goes through `in_flags` on its way out.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping

from stemsplit.cli.options.declare import options_of
from stemsplit.cli.options.measured import EvaluationOptions
from stemsplit.cli.options.running import DeviceOptions, MessageOptions, NetworkOptions
from stemsplit.cli.options.stem_files import FileOptions
from stemsplit.cli.options.wanted import ModelOptions
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions

_GROUPS = (
    *(ModelOptions, SeparationOptions, Excerpt, FileOptions, DeviceOptions),
    *(NetworkOptions, MessageOptions, EvaluationOptions),
)


def _flags() -> Iterator[tuple[str, str]]:
    for group in _GROUPS:
        for name, option in options_of(group).items():
            flag = option.flag(name)
            if not (option.is_argument or option.settings.get("hidden")):
                yield flag[2:].replace("-", "_"), flag
                if group in (SeparationOptions, FileOptions):  # whose fields Python has, too
                    yield name, flag


FLAGS: Mapping[str, str] = {
    **dict(_flags()),
    "stem_file": "--format stem.mp4",
    "strength": "--strength",
    "reference": "--reference",
}
"""The flag for each argument that a message may name."""

# Not within a name such as `stems`.wav, which is a file's.
_ARGUMENT = re.compile(r"(?<![\w.])`([a-z_]+)(?:=([^`\n]+))?`(?!\.?[\w`])")


def in_flags(text: str) -> str:
    """`text` with every argument of the library as the flag that sets it on the command line."""
    return _ARGUMENT.sub(_flag, text)


def _flag(match: re.Match[str]) -> str:
    name, value = match.groups()
    if name not in FLAGS:
        return match[0]
    if value is None:
        return FLAGS[name]
    try:
        values = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return match[0]
    if values is True:
        return FLAGS[name]
    values = values if isinstance(values, list) else [values]
    return f"{FLAGS[name]} {_quoted(','.join(map(str, values)))}"


def _quoted(value: str) -> str:
    """As it is typed; in double quotes, which every shell knows, where that is enough."""
    quoted = shlex.quote(value)
    if quoted == value or re.fullmatch('[^"$`!\\\\]*', value) is None:
        return quoted
    return f'"{value}"'
