"""Named mixes, and `other` with everything that is left over."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.engine.options import SeparationOptions, choose_outputs, needed_stems
from stemsplit.engine.outputs import Output, parse_mix
from stemsplit.errors import UnknownStemError, UsageError
from tests.engine.toy_models import STEMS, EdgeModel, GainModel, model_of
from tests.engine.tracks import noise, run


@pytest.mark.parametrize(
    ("text", "output"),
    [
        (
            "practice = mixture - drums + 0.5*vocals",
            Output("practice", 1.0, {"drums": -1.0, "vocals": 0.5}),
        ),
        ("a=-vocals*2+.5 * bass", Output("a", 0.0, {"vocals": -2.0, "bass": 0.5})),
        ("x = + vocals + vocals", Output("x", 0.0, {"vocals": 2.0})),
        ("sans batterie_2-é = mixture-1.*drums", Output("sans batterie_2-é", 1.0, {"drums": -1.0})),
    ],
)
def test_a_mix_is_a_name_and_a_sum(text: str, output: Output) -> None:
    assert parse_mix(text) == output


@given(
    st.dictionaries(
        st.sampled_from(["mixture", *STEMS]),
        st.decimals(-4, 4, places=3).map(float),
        min_size=1,
    ),
    st.booleans(),
)
def test_what_is_written_out_is_read_back(gains: dict[str, float], gain_first: bool) -> None:
    terms = [
        f"{'-' if gain < 0 else '+'}"
        + (f"{abs(gain)}*{name}" if gain_first else f" {name} * {abs(gain)} ")
        for name, gain in gains.items()
    ]
    text = f"x = {''.join(terms)}"
    if not any(gain for name, gain in gains.items() if name != "mixture"):
        with pytest.raises(UsageError, match="has no stem in it"):
            parse_mix(text)
        return
    output = parse_mix(text)
    assert {"mixture": output.mixture_gain, **output.stem_gains} == {"mixture": 0.0, **gains}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vocals", "`mixes` 'vocals' has no name. Example: `mixes="),
        ("= vocals", "'' cannot be the name of a file"),
        ("../x = vocals", "'../x' cannot be the name of a file. Use up to 100 letters"),
        ("a/b = vocals", "cannot be the name of a file"),
        (".x = vocals", "cannot be the name of a file"),
        ("-x = vocals", "cannot be the name of a file"),
        ("x\n = vocals\0", "cannot be understood"),
        ("a\nb = vocals", "cannot be the name of a file"),
        (f"{'x' * 101} = vocals", "cannot be the name of a file"),
        ("x =", "cannot be understood at its end"),
        ("x = mixture -", "cannot be understood at '-'. Sources are joined by"),
        ("x = vocals drums", "cannot be understood at 'vocals drums'"),
        ("x = vocals ++ drums", r"cannot be understood at '\+\+ drums'"),
        ("x = 2*vocals*2", "cannot be understood at"),
        ("x = 2*2*vocals", "cannot be understood at"),
        ("x = vocals + 2", "cannot be understood at '. 2'"),
        ("x = vocals / 2", "cannot be understood at"),
        ("x = vocals = 2", "cannot be understood at 'vocals = 2'"),
        ("x = mixture", "has no stem in it"),
        ("x = vocals - vocals", "has no stem in it"),
    ],
)
def test_a_mix_that_cannot_be_is_found_before_any_model(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SeparationOptions(mixes=(text,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixes": ("x = vocal",)}, r"no stem 'vocal'. Did you mean vocals\?"),
        ({"mixes": ("vocals = drums",)}, "'vocals': a stem or another output has this name"),
        ({"mixes": ("Vocals = drums",)}, "'Vocals': a stem or another output"),
        ({"mixes": ("x = drums", "X = bass")}, "'X': a stem or another output"),
        ({"mixes": ("no_bass = drums",), "two_stems": "bass"}, "'no_bass': a stem or another"),
        ({"mixes": ("residual = drums",), "residual": True}, "'residual': a stem or another"),
    ],
)
def test_a_mix_that_the_model_or_the_disk_forbids(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_outputs(STEMS, SeparationOptions(**options))


def test_stems_are_written_beside_mixes_only_if_they_are_named() -> None:
    mixes = ("x = mixture - vocals", "y = bass + drums")
    for options, names in (
        (SeparationOptions(mixes=mixes), ["x", "y"]),
        (SeparationOptions(mixes=mixes, stems=("bass",)), ["bass", "x", "y"]),
        (SeparationOptions(mixes=mixes, two_stems="bass"), ["bass", "no_bass", "x", "y"]),
        (SeparationOptions(mixes=mixes, residual=True), ["residual", "x", "y"]),
    ):
        assert [output.name for output in choose_outputs(STEMS, options)] == names


def test_a_mix_is_what_it_says_and_runs_what_it_needs() -> None:
    audio = noise(4000)
    stems = run(audio, model_of(EdgeModel()))
    options = SeparationOptions(mixes=("x = mixture - drums + 0.5*vocals",))
    silent, speaking = EdgeModel(), EdgeModel()
    weights = [[0, 1, 1, 0], [1, 0, 0, 1]]
    mixed = run(audio, model_of(silent, speaking, weights=weights), options=options)
    expected = audio - stems["drums"] + 0.5 * stems["vocals"]
    assert torch.allclose(mixed["x"], expected, atol=1e-6)
    assert silent.lengths == []


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_with_sum_to_mix_the_stems_are_the_mixture(sample_rate: int) -> None:
    audio = noise(4000)
    plain = run(audio, model_of(EdgeModel()), sample_rate=sample_rate)
    options = SeparationOptions(sum_to_mix=True)
    folded = run(audio, model_of(EdgeModel()), sample_rate=sample_rate, options=options)
    assert list(folded) == list(STEMS)
    assert torch.allclose(sum(folded.values()), audio, atol=1e-6)
    for stem in ("drums", "bass", "vocals"):
        assert torch.equal(folded[stem], plain[stem])
    assert not torch.allclose(folded["other"], plain["other"], atol=0.01)


def test_sum_to_mix_reaches_complements_and_mixes() -> None:
    audio = noise(4000)
    folded = run(audio, model_of(EdgeModel()), options=SeparationOptions(sum_to_mix=True))
    options = SeparationOptions(two_stems="other", mixes=("x = other - bass",), sum_to_mix=True)
    outputs = run(audio, model_of(EdgeModel()), options=options)
    assert torch.allclose(outputs["other"], folded["other"], atol=1e-6)
    assert torch.allclose(outputs["no_other"], audio - folded["other"], atol=1e-6)
    assert torch.allclose(outputs["x"], folded["other"] - folded["bass"], atol=1e-6)


def test_the_network_of_other_is_not_needed_to_sum_to_the_mix() -> None:
    outputs = choose_outputs(STEMS, SeparationOptions(sum_to_mix=True))
    assert needed_stems(STEMS, outputs) == ("drums", "bass", "vocals")


@pytest.mark.parametrize(
    ("stems", "options", "message"),
    [
        (("a", "b"), {}, "`other`, and the model has no such stem. It has a, b"),
        (STEMS, {"stems": ("vocals",)}, "no output has it in it"),
        (STEMS, {"mixes": ("x = mixture - bass - drums - vocals - other",)}, "nothing to separate"),
    ],
)
def test_sum_to_mix_that_changes_nothing_is_a_usage_error(
    stems: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        choose_outputs(stems, SeparationOptions(sum_to_mix=True, **options))


def test_nothing_is_left_over_for_a_residual() -> None:
    with pytest.raises(UsageError, match="`residual` and `sum_to_mix` exclude each other"):
        SeparationOptions(residual=True, sum_to_mix=True)


def test_an_unknown_stem_of_a_mix_is_an_unknown_stem() -> None:
    with pytest.raises(UnknownStemError, match="kazoo"):
        run(noise(10), model_of(GainModel()), options=SeparationOptions(mixes=("x = kazoo",)))
