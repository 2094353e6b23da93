"""How an option is declared, once, as the field of a dataclass, and how a command takes it.

    @dataclass(frozen=True, kw_only=True, slots=True)
    class DeviceOptions:
        threads: int | None = option(None, panel=SPEED, least=1, metavar="N", help="CPU threads.")

    @takes()
    def demo(device: DeviceOptions) -> None: ...

`stemsplit demo` then has `--threads N`, reads it as the type of the field says, and gets a
DeviceOptions. Where a dataclass is not ours to declare options in, such as the engine's, the table
`DECLARED` has them. A field without a declaration is no option and keeps its default.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from stemsplit.cli.numbers import number, whole

# The groups of the help, in their order there.
WHAT = "Song, model and stems"
FILES = "Files"
SOUND = "Sound"
SPEED = "Speed and quality"
RUN = "Run"
MESSAGES = "Messages and help"

Command = TypeVar("Command", bound=Callable[..., None])


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """What the command line says of a field, beside its name, type and default."""

    flags: tuple[str, ...] = ()
    """As they are typed; none: the field's name, with dashes."""
    reads: Callable[[str, str], Any] | None = None
    """From the flag and the text behind it to a value; None: by the type."""
    commas: bool = False
    """Whether all values of a list stand in one text; else the flag is given several times."""
    least: float | None = None
    most: int | None = None
    """The limits of a number."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Further words for some of its choices."""
    after: str | None = None
    """The option that it stands behind in the help, if that is of another group."""
    is_argument: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Typer's own: `metavar`, `help`, `show_default`, `autocompletion`, `hidden`, ..."""

    def flag(self, name: str) -> str:
        """The flag that the field `name` is known by: the first long one."""
        long = (flag for flag in self.flags if flag.startswith("--"))
        return next(long, f"--{name.replace('_', '-')}")


_FIELDS = [each for each in dataclasses.fields(Option) if each.name not in ("flags", "settings")]


def declared(
    *flags: str,
    panel: str | None = None,
    **settings: Any,
) -> Option:
    """An option in a panel of the help; `settings` are fields of `Option`, or Typer's own."""
    own = {each.name: settings.pop(each.name) for each in _FIELDS if each.name in settings}
    settings |= {"rich_help_panel": panel, "case_sensitive": False}
    return Option(flags=flags, settings=settings, **own)


def option(default: Any, *flags: str, **settings: Any) -> Any:
    """A field of a dataclass that is an option; the arguments are those of `declared`."""
    return field(default=default, metadata={"option": declared(*flags, **settings)})


def argument(default: Any = dataclasses.MISSING, *, panel: str, **settings: Any) -> Any:
    """A field that is what a command is about, without a flag; required if it has no default."""
    settings |= {"rich_help_panel": panel}
    return field(default=default, metadata={"option": Option(is_argument=True, settings=settings)})


def like(group: type, name: str, default: Any, **settings: Any) -> Any:
    """A field with the option of another one, but for its default and some of Typer's settings."""
    known = options_of(group)[name]
    if "panel" in settings:
        settings["rich_help_panel"] = settings.pop("panel")
    settings = {**known.settings, **settings}
    return field(
        default=default, metadata={"option": dataclasses.replace(known, settings=settings)}
    )


DECLARED: dict[type, Mapping[str, Option]] = {}
"""The options for fields of dataclasses that know nothing of a command line, in their order."""


def options_of(group: type) -> dict[str, Option]:
    """The options among the fields of a dataclass, by their names."""
    own = {each.name: each.metadata.get("option") for each in dataclasses.fields(group)}
    return {**DECLARED.get(group, {name: known for name, known in own.items() if known})}


def takes(
    *, only: Collection[str] | None = None, without: Collection[str] = ()
) -> Callable[[Command], Command]:
    """Gives a command the options of the dataclasses among its parameters, and those of theirs.

    `only`, `without`: of these options only some; the other fields have their defaults.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters
        groups = {name: each.annotation for name, each in own.items() if is_group(each.annotation)}
        options = [each for group in groups.values() for each in _parameters(group)]
        parameters = _in_order(
            (each, after)
            for each, after in options
            if each.name not in without and (only is None or each.name in only)
        )
        parameters = [each for name, each in own.items() if name not in groups] + parameters

        @functools.wraps(command)
        def run(**values: Any) -> None:
            made = {name: _build(group, values) for name, group in groups.items()}
            command(**made, **{name: values[name] for name in own if name not in groups})

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run  # type: ignore[return-value]

    return decorate


@functools.cache
def _types(group: type) -> dict[str, Any]:
    """The types of a group's fields: evaluated when a command is declared, and not when it runs."""
    return get_type_hints(group)


def is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


def _parameters(group: type) -> Iterator[tuple[inspect.Parameter, str | None]]:
    """What Typer is shown of the options, and behind which other one each stands."""
    fields = {each.name: each for each in dataclasses.fields(group)}
    annotations, options = _types(group), options_of(group)
    for name in options if group in DECLARED else fields:
        if is_group(annotations[name]):
            yield from _parameters(annotations[name])
        elif name in options:
            yield _parameter(fields[name], options[name], annotations[name]), options[name].after


def _in_order(options: Iterable[tuple[inspect.Parameter, str | None]]) -> list[inspect.Parameter]:
    """All as they are declared, but those that stand behind one of another group."""
    options = list(options)
    ordered = [each for each, after in options if after is None]
    for each, after in options:
        if after is not None:
            names = [other.name for other in ordered]
            ordered.insert(names.index(after) + 1 if after in names else len(names), each)
    return ordered


def _parameter(
    each: dataclasses.Field[Any], declaration: Option, annotation: Any
) -> inspect.Parameter:
    kind, default = _without_none(annotation), each.default
    settings = dict(declaration.settings)
    if parser := _parser(declaration.flag(each.name), declaration, kind):
        settings["parser"], annotation = parser, str
    elif get_origin(kind) is Literal:
        settings.setdefault("metavar", "|".join(get_args(kind)))
        choices = (*get_args(kind), *declaration.words)
        annotation = Literal[choices]
    if _is_list(kind) and not declaration.commas:
        annotation, default = list[str if parser else get_args(kind)[0]], default or None  # type: ignore[misc]
    if default is None:
        annotation = annotation | None
    flags = declaration.flags or (declaration.flag(each.name),)
    make = typer.Argument if declaration.is_argument else functools.partial(typer.Option, *flags)
    return inspect.Parameter(
        each.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if default is dataclasses.MISSING else default,
        annotation=Annotated[annotation, make(**settings)],
    )


def _without_none(annotation: Any) -> Any:
    kinds = [each for each in get_args(annotation) if each is not type(None)]
    return kinds[0] if type(None) in get_args(annotation) else annotation


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[1:] == (...,)


def _parser(flag: str, declaration: Option, kind: Any) -> Callable[[str], Any] | None:
    if declaration.commas:
        return _names
    if (reads := declaration.reads) is not None:
        return lambda text: reads(flag, text)  # Typer 0.19 wants a function, with a name
    least = declaration.least
    if kind is int:
        return whole(flag, None if least is None else int(least), declaration.most)
    return number(flag, least) if kind is float else None


def _names(text: str) -> tuple[str, ...]:
    """Those between the commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _build(group: type, values: Mapping[str, Any]) -> Any:
    """The dataclass from what was given on the command line."""
    annotations, options, built = _types(group), options_of(group), {}
    for name, annotation in annotations.items():
        if is_group(annotation):
            built[name] = _build(annotation, values)
        elif name in options and name in values:
            value, declaration = values[name], options[name]
            if _is_list(_without_none(annotation)) and not declaration.commas:
                value = tuple(value or ())
            elif isinstance(value, str):
                value = declaration.words.get(value, value)
            built[name] = value
    return group(**built)
