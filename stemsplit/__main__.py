"""The `stemsplit` command."""

from __future__ import annotations

import os


def main() -> None:
    """Runs the command line and ends the process with its code."""
    from stemsplit.cli.streams import finish_streams, guard_streams

    guard_streams()  # before anything is opened
    from stemsplit.cli.app import app

    try:
        app()
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        exit_code = finish_streams(end.code)
        # All that is ours is closed. To take torch down piece by piece takes a quarter of a second
        # and 100 MiB on top of the most memory that a song needs.
        os._exit(exit_code)


if __name__ == "__main__":
    main()
