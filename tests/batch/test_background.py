"""Calls that run beside the networks."""

from __future__ import annotations

import threading

import pytest

from stemsplit.batch.background import BackgroundCalls


def test_calls_run_in_order_in_one_other_thread() -> None:
    seen: list[tuple[int, int]] = []
    with BackgroundCalls(max_waiting=2) as background:
        for index in range(100):
            background(lambda index=index: seen.append((index, threading.get_ident())))
    assert [index for index, _ in seen] == list(range(100))
    assert len({thread for _, thread in seen} - {threading.get_ident()}) == 1


def test_an_error_is_raised_where_the_calls_come_from_and_ends_them() -> None:
    seen: list[str] = []

    def fail() -> None:
        raise OSError("disk full")

    def run() -> None:
        with BackgroundCalls(max_waiting=1) as background:
            background(lambda: seen.append("before"))
            background(fail)
            for _ in range(10):
                background(lambda: seen.append("after"))

    with pytest.raises(OSError, match="disk full"):
        run()
    assert seen == ["before"]


def test_an_error_in_the_very_last_call_is_raised_at_the_end() -> None:
    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), BackgroundCalls(max_waiting=5) as background:
        background(fail)


def test_when_the_networks_fail_what_waits_is_dropped() -> None:
    started, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def first() -> None:
        started.set()
        go_on.wait()
        seen.append("first")

    def run() -> None:
        with BackgroundCalls(max_waiting=5) as background:
            background(first)
            background(lambda: seen.append("second"))
            started.wait()
            threading.Timer(0.05, go_on.set).start()
            raise ValueError("the network failed")

    with pytest.raises(ValueError, match="the network failed"):
        run()
    assert seen == ["first"]
    assert not [thread for thread in threading.enumerate() if thread.name == "stemsplit-background"]


def test_few_calls_wait() -> None:
    go_on = threading.Event()
    made = 0

    def make() -> None:
        nonlocal made
        with BackgroundCalls(max_waiting=2) as background:
            for _ in range(10):
                background(go_on.wait)
                made += 1

    maker = threading.Thread(target=make)
    maker.start()
    maker.join(0.2)
    assert made <= 3  # one at work, two that wait
    go_on.set()
    maker.join()
    assert made == 10
