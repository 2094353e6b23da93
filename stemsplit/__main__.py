"""The `stemsplit` command."""

from __future__ import annotations


def main() -> None:
    """Runs the command line and ends the process with its code."""
    from stemsplit.cli.streams import finish_streams, guard_streams

    guard_streams()  # before anything is opened
    from stemsplit.cli import process
    from stemsplit.cli.app import app

    try:
        app()
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        process.end(finish_streams(end.code))


if __name__ == "__main__":
    main()
