"""How one thread stops another."""

from __future__ import annotations

import ctypes
import threading


class Interrupted(BaseException):
    """Another thread wants this one to stop: what Ctrl-C is to the main thread, to all others."""


def interrupt(thread: threading.Thread) -> None:
    """Has `Interrupted` raised in a running thread, as soon as it is back in Python.

    Like Ctrl-C it comes between two steps of whatever goes on there, so that neither a network nor
    a decoder has to ask whether it is still wanted. A thread that waits must be woken as well.
    """
    assert thread.ident is not None  # it was started
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupted)
    )
