"""Errors of huggingface_hub and of the HTTP library below it, turned into ours."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import cast

from stemsplit.errors import HubUnreachableError, ModelError, NotOnHubError
from stemsplit.quoting import reason

OFFLINE_HINT = (
    "Fetch it with `stemsplit models pull NAME` while there is a network, or use the built-in "
    "`--model spectral`."
)
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
_NETWORK_HINT = (
    "Check the network, the proxy and HF_ENDPOINT, and run it again: a broken transfer continues. "
    "A pulled model works with --offline, `--model spectral` always."
)
_TOKEN_HINT = (
    "Check the spelling. For a private or gated model, accept its terms on the Hub and set "
    "HF_TOKEN."
)


@contextlib.contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """A context in which failures of the Hub or the network are raised as ours, about `what`."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RevisionNotFoundError,
    )

    # The root error of requests, httpx or httpx2, whichever this huggingface_hub was built on.
    http_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    try:
        yield
    except OfflineModeIsEnabled as error:
        raise HubUnreachableError(f"{what}: HF_HUB_OFFLINE is set.", hint=OFFLINE_HINT) from error
    except (RevisionNotFoundError, EntryNotFoundError) as error:
        raise NotOnHubError(
            f"There is no {what} on the Hub.", hint="Check the spelling and the revision."
        ) from error
    except HfHubHTTPError as error:
        raise _http_error(what, error.response.status_code) from error
    except HFValidationError as error:
        raise NotOnHubError(f"{what} cannot be on the Hub: {reason(error)}") from error
    except (OSError, http_error) as error:
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            raise  # the file that the answer is written to, not the network
        raise HubUnreachableError(
            f"Cannot fetch {what} from {constants.ENDPOINT} ({reason(error)}).",
            hint=_NETWORK_HINT,
        ) from error


def _http_error(what: str, status: int) -> ModelError:
    if status in (401, 403):
        return ModelError(
            f"The Hub refuses {what} ({status}): it does not exist, is private or is gated.",
            hint=_TOKEN_HINT,
        )
    if status == 404:
        return NotOnHubError(f"There is no {what} on the Hub.", hint="Check the spelling.")
    return HubUnreachableError(
        f"The Hub answered {status} for {what}.", hint="Try again in a while. " + _NETWORK_HINT
    )
