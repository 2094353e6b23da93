"""What goes wrong between here and the Hub, as errors of ours that say what to do next.

The same goes for other servers with files of the catalogue: the question says whose answer it is.
"""

from __future__ import annotations

from stemsplit.errors import HubUnreachableError, ModelError, NotOnHubError
from stemsplit.hub.catalog import DEFAULT_MODELS, FALLBACK_MODEL
from stemsplit.hub.question import Question
from stemsplit.quoting import reason

_BUILT_IN = f"`model='{FALLBACK_MODEL}'`, for speech `model='{DEFAULT_MODELS['denoise'][-1]}'`"
OFFLINE_HINT = (
    "Fetch it with `stemsplit models pull NAME` while there is a network, or use what is built in: "
    f"{_BUILT_IN}."
)
_TOKEN_HINT = (
    "Check the spelling. For a private or gated model, accept its terms on the Hub and set "
    "HF_TOKEN."
)


def not_here(what: object) -> HubUnreachableError:
    """Something would have to be fetched, and must not be."""
    return HubUnreachableError(
        f"{what} is not on this machine, and this run stays offline.", hint=OFFLINE_HINT
    )


class BrokenOffError(HubUnreachableError):
    """The line went dead: another attempt may well go on from where this one ended."""


class OtherAnswerError(HubUnreachableError):
    """Something between here and the Hub answers in its place, such as a login page."""


def unreachable(question: Question, error: BaseException) -> BrokenOffError:
    """The network failed, with `error`, before anybody could answer."""
    return BrokenOffError(
        f"Cannot fetch {question.what} from {question.endpoint} "
        f"({type(error).__name__}: {reason(error)}).",
        hint=_network_hint(question),
    )


def broken_off(question: Question, how: str) -> BrokenOffError:
    """The answer began and did not come to its end."""
    return BrokenOffError(
        f"{question.subject}'s answer for {question.what} {how}.", hint=_network_hint(question)
    )


def unusable(question: Question, how: str) -> HubUnreachableError:
    """The answer is nothing to go on with: `how` says what is wrong with it."""
    return HubUnreachableError(
        f"{question.subject}'s answer for {question.what} {how}.", hint=_network_hint(question)
    )


def web_page(question: Question) -> OtherAnswerError:
    """Somebody else answered."""
    return OtherAnswerError(
        f"{question.endpoint} answered with a web page when asked for {question.what}.",
        hint=_login_hint(question),
    )


def foreign(question: Question, how: str) -> OtherAnswerError:
    """Somebody else answered, or a Hub that is none: `how` says what gave it away."""
    kind = "one that a Hub gives" if question.is_for_hub else f"one of {question.server}"
    return OtherAnswerError(
        f"The answer for {question.what} is not {kind}: {how}.", hint=_login_hint(question)
    )


def stay_away(question: Question, status: int, seconds: float) -> HubUnreachableError:
    """A pause is asked for that nobody would wait out."""
    pause = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
    if seconds < 120:
        pause = f"{seconds:.0f} seconds"
    return HubUnreachableError(
        f"{question.subject} answered {status} for {question.what}, and asks to be left alone "
        f"for {pause}.",
        hint="Run it again then. " + OFFLINE_HINT,
    )


def refusal(question: Question, status: int) -> ModelError:
    """The answer is an error `status`."""
    what, server = question.what, question.server
    if status in (401, 403):
        why = ": it does not exist, is private or is gated" if question.is_for_hub else ""
        return ModelError(
            f"{question.subject} refuses {what} ({status}){why}.",
            hint=_TOKEN_HINT if question.is_for_hub else changed_hint(question),
        )
    if status == 404:
        return NotOnHubError(
            f"There is no {what} on {server}.",
            hint="Check the spelling and the revision."
            if question.is_for_hub
            else "Its authors may have moved it: a newer stemsplit may know where to.",
        )
    return HubUnreachableError(
        f"{question.subject} answered {status} for {what}.",
        hint="Try again in a while. " + _network_hint(question),
    )


def changed_hint(question: Question) -> str:
    """What to look at where something came that nobody has announced."""
    settings = "HF_ENDPOINT and " if question.is_for_hub else ""
    return f"Check {settings}proxies that change downloads."


def _network_hint(question: Question) -> str:
    hub = "the network, the proxy and HF_ENDPOINT"
    return (
        f"Check {hub if question.is_for_hub else 'the network and the proxy'}, and run it "
        "again: a broken transfer continues. "
        f"A pulled model works with `offline`, and what is built in always: {_BUILT_IN}."
    )


def _login_hint(question: Question) -> str:
    return (
        "Is there a login page in front of the network? Open any page in a browser, log in, and "
        f"run it again. Else check the proxy{' and HF_ENDPOINT' if question.is_for_hub else ''}."
    )
