"""What goes wrong between here and the Hub, as errors of ours that say what to do next."""

from __future__ import annotations

from stemsplit.errors import HubUnreachableError, ModelError, NotOnHubError
from stemsplit.hub.catalog import FALLBACK_MODEL
from stemsplit.quoting import reason

OFFLINE_HINT = (
    "Fetch it with `stemsplit models pull NAME` while there is a network, or use the built-in "
    f"`model='{FALLBACK_MODEL}'`."
)
_NETWORK_HINT = (
    "Check the network, the proxy and HF_ENDPOINT, and run it again: a broken transfer continues. "
    f"A pulled model works with `offline`, `model='{FALLBACK_MODEL}'` always."
)
_LOGIN_HINT = (
    "Is there a login page in front of the network? Open any page in a browser, log in, and run it "
    "again. Else check the proxy and HF_ENDPOINT."
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


def unreachable(what: str, error: BaseException) -> BrokenOffError:
    """The network failed, with `error`, before the Hub could answer about `what`."""
    from huggingface_hub import constants

    return BrokenOffError(
        f"Cannot fetch {what} from {constants.ENDPOINT} ({type(error).__name__}: {reason(error)}).",
        hint=_NETWORK_HINT,
    )


def broken_off(what: str, how: str) -> BrokenOffError:
    """The answer about `what` began and did not come to its end."""
    return BrokenOffError(f"The Hub's answer for {what} {how}.", hint=_NETWORK_HINT)


def unusable(what: str, how: str) -> HubUnreachableError:
    """The answer about `what` is nothing to go on with: `how` says what is wrong with it."""
    return HubUnreachableError(f"The Hub's answer for {what} {how}.", hint=_NETWORK_HINT)


def web_page(what: str) -> OtherAnswerError:
    """Somebody else answered."""
    from huggingface_hub import constants

    return OtherAnswerError(
        f"{constants.ENDPOINT} answered with a web page when asked for {what}.", hint=_LOGIN_HINT
    )


def foreign(what: str, how: str) -> OtherAnswerError:
    """Somebody else answered, or a Hub that is none: `how` says what gave it away."""
    return OtherAnswerError(
        f"The answer for {what} is not one that a Hub gives: {how}.", hint=_LOGIN_HINT
    )


def stay_away(what: str, status: int, seconds: float) -> HubUnreachableError:
    """The Hub asks for a pause that nobody would wait out."""
    pause = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
    if seconds < 120:
        pause = f"{seconds:.0f} seconds"
    return HubUnreachableError(
        f"The Hub answered {status} for {what}, and asks to be left alone for {pause}.",
        hint="Run it again then. " + OFFLINE_HINT,
    )


def refusal(what: str, status: int) -> ModelError:
    """The Hub answered with an error `status`."""
    if status in (401, 403):
        return ModelError(
            f"The Hub refuses {what} ({status}): it does not exist, is private or is gated.",
            hint=_TOKEN_HINT,
        )
    if status == 404:
        return NotOnHubError(
            f"There is no {what} on the Hub.", hint="Check the spelling and the revision."
        )
    return HubUnreachableError(
        f"The Hub answered {status} for {what}.", hint="Try again in a while. " + _NETWORK_HINT
    )
