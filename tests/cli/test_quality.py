"""`--quality` and `--licence`: which model runs, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import Result

from tests.cli.conftest import Stemsplit
from tests.hub.loopback import Hub, Reply

CHOSEN = "htdemucs was chosen (fast): of "

ARGUMENTS = ("--quality", "best", "--two-stems", "vocals", "--device", "cpu")


def test_the_model_is_chosen_and_the_choice_is_told(
    stemsplit: Stemsplit, song: Path, hub: Hub
) -> None:
    result = stemsplit(song, "--quality", "fast", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert CHOSEN in " ".join(result.stderr.split())
    record = json.loads(Path("separated/htdemucs/song/stemsplit.json").read_text())
    (warning,) = record["warnings"]
    assert warning.startswith(CHOSEN)
    assert "for drums, bass, other, vocals of up to 60 Gop/s" in warning
    assert "dB (SDR (whole track), MVSep Multisong)" in warning
    assert hub.requests


@pytest.mark.usefixtures("hub")
def test_json_has_the_choice_as_a_note(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, "--quality", "fast", "--device", "cpu", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    (note,) = [event for event in events if event["event"] == "note"]
    assert CHOSEN in str(note)


def test_a_quality_and_a_model_exclude_each_other(
    stemsplit: Stemsplit, song: Path, hub: Hub
) -> None:
    result = stemsplit(song, "--quality", "best", "-m", "htdemucs")
    assert result.exit_code == 2
    assert "The quality best and the model htdemucs exclude each other." in result.stderr
    assert hub.requests == []
    assert stemsplit(song, "--quality", "worst").exit_code == 2


def said(result: Result) -> str:
    return " ".join(result.stderr.split())


def test_a_chosen_model_that_cannot_be_had_is_replaced_in_so_many_words(
    stemsplit: Stemsplit, song: Path
) -> None:
    result = stemsplit(*ARGUMENTS, song)
    assert result.exit_code == 0, result.stderr
    (warning,) = json.loads(Path("separated/spectral/song/stemsplit.json").read_text())["warnings"]
    loud = (
        "spectral runs in place of melband_kim, far less cleanly. Once there is a network: "
        "`stemsplit models pull melband_kim`"
    )
    assert result.stderr.count(f"Note: {loud}\n") == 2  # first and last
    assert result.stderr.endswith(f"Note: {loud}\n")
    in_order = (
        loud,
        "melband_kim was chosen (best): of ",
        "melband_kim could not be had: ",
        "stays offline",
    )
    places = [warning.index(words) for words in in_order]
    assert places == sorted(places)
    assert "was chosen" not in result.stderr
    assert "melband_kim was chosen (best)" in said(stemsplit(*ARGUMENTS, song, "-v"))


def test_without_a_network_it_is_one_on_this_machine(
    stemsplit: Stemsplit, song: Path, hub: Hub
) -> None:
    assert stemsplit("models", "pull", "htdemucs", "-q").exit_code == 0
    hub.refuse_status = 503
    result = stemsplit(song, "--quality", "best", "--two-stems", "vocals", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert "Note: htdemucs runs in place of melband_kim. Once there is a network" in said(result)
    assert Path("separated/htdemucs/song/vocals.wav").exists()


def test_a_login_page_in_front_of_the_network_falls_back_too(
    stemsplit: Stemsplit, song: Path, hub: Hub
) -> None:
    hub.reply = lambda _: Reply(headers={"Content-Type": "text/html"}, body=[b"<html>"])
    result = stemsplit(song, "--quality", "fast", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert "Open a page in a browser, log in to the network, and run it again." in said(result)
    (warning,) = json.loads(Path("separated/spectral/song/stemsplit.json").read_text())["warnings"]
    assert "answered with a web page" in warning
    assert Path("separated/spectral/song/vocals.wav").exists()


def test_where_nothing_can_take_its_place_it_is_said_what_was_chosen_and_why_not(
    stemsplit: Stemsplit, song: Path
) -> None:
    result = stemsplit(song, "--quality", "best", "--stems", "guitar", "--device", "cpu")
    assert result.exit_code == 3
    in_order = (" was chosen (best): ", "It could not be had: ", "name another one with --model")
    places = [said(result).index(words) for words in in_order]
    assert places == sorted(places)
    assert not Path("separated").exists()


def test_offline_it_is_one_of_those_on_this_machine(
    stemsplit: Stemsplit, song: Path, hub: Hub
) -> None:
    assert stemsplit("models", "pull", "htdemucs", "-q").exit_code == 0
    hub.forget_requests()
    result = stemsplit(song, "--quality", "best", "--offline", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    message = " ".join(result.stderr.split())
    assert "htdemucs was chosen (best): the only model on this machine for drums" in message
    assert hub.requests == []


def test_stems_that_no_model_has_are_found_before_any_work(
    stemsplit: Stemsplit, song: Path
) -> None:
    result = stemsplit(song, "--quality", "best", "--stems", "vocals,tuba")
    assert result.exit_code == 2
    assert "has all of the stems vocals, tuba" in result.stderr


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("htdemucs", "that of the weights of htdemucs is restricted. Disputed: the card"),
        ("karaoke", "that of the weights of melband_karaoke is unknown. The author"),
        ("hf://someone/something", "nothing is known about the licence of hf://someone"),
    ],
)
def test_a_model_whose_licence_is_not_permissive_is_refused(
    model: str, known: str, stemsplit: Stemsplit, song: Path, hub: Hub
) -> None:
    result = stemsplit(song, "--licence", "permissive", "-m", model)
    assert result.exit_code == 2
    assert known in " ".join(result.stderr.split())
    assert hub.requests == []


def test_what_is_permissive_runs(stemsplit: Stemsplit, song: Path) -> None:
    assert stemsplit(song, "--licence", "permissive", "-m", "spectral").exit_code == 0


def test_permissive_alone_chooses_among_the_permissive(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, "--licence", "permissive", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    # It is not here, and this process is offline; what is built in is permissive.
    assert "spectral runs in place of scnet, far less cleanly." in said(result)
    (warning,) = json.loads(Path("separated/spectral/song/stemsplit.json").read_text())["warnings"]
    assert "scnet was chosen (balanced)" in warning
