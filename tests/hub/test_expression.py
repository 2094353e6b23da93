"""Several models in one `--model`."""

from __future__ import annotations

from pathlib import Path

import pytest

from stemsplit.errors import UnknownModelError, UnknownStemError, UsageError
from stemsplit.hub.expression import (
    is_expression,
    model_references,
    parse_expression,
    resolve_expression,
)
from stemsplit.hub.model_files import ModelSource
from stemsplit.hub.recipe import EnsembleSource

FOUR = ("drums", "bass", "other", "vocals")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a+b", {"*": {"a": 1, "b": 1}}),
        (" a*2 + b ", {"*": {"a": 2, "b": 1}}),
        ("0.25*a+.75*b", {"*": {"a": 0.25, "b": 0.75}}),
        ("a+a+b", {"*": {"a": 2, "b": 1}}),
        ("vocals=a,*=b", {"vocals": {"a": 1}, "*": {"b": 1}}),
        ("vocals = a+b*3, drums=b", {"vocals": {"a": 1, "b": 3}, "drums": {"b": 1}}),
        ("*=hf://o/r@v1+./x y/n.th", {"*": {"hf://o/r@v1": 1, "./x y/n.th": 1}}),
    ],
)
def test_expressions_say_what_each_model_counts(text: str, meaning: object) -> None:
    assert parse_expression(text) == meaning


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a+", "at ''"),
        ("a*b", r"at 'a\*b'"),
        ("2*3", r"at '2\*3'"),
        ("2*a*3", r"at '2\*a\*3'"),
        ("a*", r"at 'a\*'"),
        ("vocals=a,b", "'b' does not say for which stem"),
        ("vocals=a,=b", "does not say for which stem"),
        ("vocals=a,vocals=b", "'vocals=b' comes twice"),
        ("a*0+b", "the weight of a is 0"),
        ("a*9999999+b", r"the weight of a is 1e\+07"),
    ],
)
def test_what_cannot_be_understood_is_a_usage_error(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse_expression(text)


def test_names_and_paths_that_exist_are_no_expressions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_expression("htdemucs")
    assert not is_expression("hf://owner/repo@main")
    assert is_expression("a+b.th")
    Path("a+b.th").touch()
    assert not is_expression("a+b.th")


def test_every_model_is_named_once_and_there_is_an_end_to_them() -> None:
    assert model_references("vocals=a+b,drums=b,*=c") == ("a", "b", "c")
    with pytest.raises(UsageError, match="names 17 models"):
        model_references("+".join(f"m{number}" for number in range(17)))


def test_all_models_of_an_expression_must_be_known() -> None:
    source = resolve_expression("vocals=spectral*3,*=spectral")
    assert [model.name for model in source.models] == ["spectral"]
    assert source.name == "vocals=spectralx3,rest=spectral"
    with pytest.raises(UnknownModelError, match=r"No model is called 'spectrum'\. Did you mean"):
        resolve_expression("spectral+spectrum")


def test_a_long_name_is_cut_so_that_it_can_be_a_folders() -> None:
    source = resolve_expression("+".join(f"spectral*{number}" for number in range(1, 30)))
    assert source.name == "spectralx435"
    text = ",".join(f"{'x' * 30}{number}=spectral" for number in range(9))
    assert len(resolve_expression(text).name) == 100


def models(*stems: tuple[str, ...]) -> tuple[ModelSource, ...]:
    return tuple(
        ModelSource(name="ab"[index], origin="", stems=each) for index, each in enumerate(stems)
    )


def test_shares_sum_to_one_and_named_stems_go_before_the_rest() -> None:
    stems = (FOUR, ("vocals", "other"))
    recipe = {"vocals": {0: 1.0, 1: 3.0}, "*": {0: 2.0}}
    source = EnsembleSource(name="x", models=models(*stems), recipe=recipe)
    assert source.weights(stems) == {
        "drums": {0: 1.0},
        "bass": {0: 1.0},
        "other": {0: 1.0},
        "vocals": {0: 0.25, 1: 0.75},
    }


def test_stems_that_only_one_model_has_are_added_and_without_a_rest_there_is_no_more() -> None:
    stems = (("vocals",), FOUR)
    added = EnsembleSource(
        name="x", models=models(*stems), recipe={"drums": {1: 1.0}, "*": {0: 1.0}}
    )
    assert list(added.weights(stems)) == ["vocals", "drums"]
    alone = EnsembleSource(name="x", models=models(*stems), recipe={"drums": {1: 1.0}})
    assert list(alone.weights(stems)) == ["drums"]


def test_models_are_averaged_only_where_they_have_the_same_stems() -> None:
    stems = (FOUR, ("vocals", "other"))
    source = EnsembleSource(name="x", models=models(*stems), recipe={"*": {0: 1.0, 1: 1.0}})
    with pytest.raises(UsageError, match=r"a has the stems .*Average only other: other=a\+b"):
        source.weights(stems)
    source = EnsembleSource(name="x", models=models(*stems), recipe={"bass": {1: 1.0}})
    with pytest.raises(UnknownStemError, match=r"b has no stem 'bass'\. It has vocals, other"):
        source.weights(stems)
