"""The recipe: what it accepts, and what it says where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.config import Recipe, digest, load_recipe, recipe_from_yaml
from medseg.errors import RecipeError
from medseg.validation import parse_value

RECIPE = """
name: toy
dataset: {name: toy, source: scans}
models: [unet, {model: segformer, set: {train.learning_rate: 0.01}}]
train: {epochs: 3}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "toy.yaml"
    file.write_text(RECIPE)
    return file


def test_an_override_replaces_one_value_and_leaves_the_rest(path: Path) -> None:
    recipe = load_recipe(path, ["train.epochs=7", "split.folds=3"])
    assert (recipe.train.epochs, recipe.split.folds, recipe.dataset.source) == (7, 3, "scans")


def test_an_override_reaches_into_the_list_of_models(path: Path) -> None:
    assert load_recipe(path, ["models.0.set.train.epochs=9"]).models[0].set == {"train": {"epochs": 9}}


def test_a_store_may_be_given_as_its_uri_alone(path: Path) -> None:
    recipe = load_recipe(path, ["store=s3://bucket/data", "store.endpoint_url=http://localhost:9000"])
    assert (recipe.store.uri, recipe.store.endpoint_url) == ("s3://bucket/data", "http://localhost:9000")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.epocs=3", "train.epocs = 3: unknown key. Did you mean 'epochs'?"),
        ("train.epochs=many", "train.epochs = 'many': must be a valid integer"),
        ("train.epochs=0", "train.epochs = 0: must be greater than or equal to 1"),
        ("train.optimizer=adamx", "train.optimizer = 'adamx': must be 'adamw' or 'sgd'"),
        ("split.test_fraction=0.9", "must leave a training part"),
        ("models=[unet, unet]", "lists unet more than once"),
        ("models=[]", "models = []: "),
        ("models=[unet", "models = '[unet': "),
        ("evaluate.tolerance_mm={intestine: -1}", "evaluate.tolerance_mm.intestine = -1: must be greater than 0"),
        ("train.epochs.x=3", "train.epochs is 3 and has no key 'x'"),
        ("models.5.set.a=1", "'5' must be an index from 0 to 1"),
        ("train.epochs", "must read key.path=value"),
        ("run_id=../up", "run_id = '../up'"),
        ("run_id=7", "run_id = 7: must be text; put it in quotes"),
        ("name=", "name = null: must be text"),
        ("train.seeds=3", "train.seeds = 3: must be a list, e.g. [a, b]"),
        ("store=", "store = null: must be a mapping of keys. Known keys here: access_key, embedded_folder"),
        (
            "resources.node_selector.nvidia.com/gpu.product=A100",
            "for keys with dots: --set 'resources.node_selector={nvidia.com/gpu.product: A100}'",
        ),
    ],
)
def test_a_wrong_override_says_key_value_and_rule(path: Path, override: str, says: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(path, [override])
    assert says in str(error.value)


def test_every_fault_of_a_file_is_named_with_the_file(path: Path) -> None:
    path.write_text(RECIPE + "evaluate: {overlap: 2}\ncolour: red\n")
    with pytest.raises(RecipeError) as error:
        load_recipe(path)
    lines = str(error.value).splitlines()
    assert [line.split(": ")[1].split(" = ")[0] for line in lines] == ["evaluate.overlap", "colour"]
    assert all(line.startswith(str(path)) for line in lines)


def test_a_missing_recipe_names_those_beside_it(path: Path) -> None:
    path.with_name(".hidden.yaml").touch()
    with pytest.raises(RecipeError, match=f"no such recipe. Recipes in that folder: {path}."):
        load_recipe(path.with_name("toi.yaml"))


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "just words"])
def test_a_file_that_is_no_mapping_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"toy\.yaml"):
        load_recipe(path)


def test_keys_of_the_store_are_never_written(path: Path) -> None:
    recipe = load_recipe(path, ["store.uri=s3://b", "store.access_key=AK", "store.secret_key=topsecret"])
    assert recipe.store.secret_key is not None
    assert recipe.store.secret_key.get_secret_value() == "topsecret"
    assert "topsecret" not in recipe.to_yaml() + repr(recipe)


def test_without_a_file_a_name_and_a_source_are_enough() -> None:
    recipe = load_recipe(None, ["dataset.name=scans", "dataset.source=DIR", "store=out"])
    assert (recipe.name, recipe.models[0].model) == ("scans", "unet")


def test_a_run_id_is_made_from_the_name_and_the_time(path: Path) -> None:
    run_id = load_recipe(path).with_run_id().run_id
    assert run_id is not None
    assert run_id.startswith("toy-2")
    assert load_recipe(path, ["run_id=mine"]).with_run_id().run_id == "mine"


@given(epochs=st.integers(1, 10**6), rate=st.floats(1e-8, 1), seeds=st.lists(st.integers(0, 99), min_size=1))
def test_a_recipe_survives_its_own_yaml(epochs: int, rate: float, seeds: list[int]) -> None:
    train = {"epochs": epochs, "learning_rate": rate, "seeds": seeds}
    recipe = Recipe.model_validate({"name": "a", "dataset": {"name": "b"}, "train": train})
    again = recipe_from_yaml(recipe.to_yaml(), "there")
    assert again == recipe
    assert digest(again) == digest(recipe)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_stays_a_number(value: float) -> None:
    assert parse_value(repr(value)) == value


def test_a_layout_card_is_put_in_the_place_of_its_path(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text("images: '{case}.png'\n")
    (tmp_path / "recipe.yaml").write_text("dataset: {name: d, layout: ours.yaml}\n")
    recipe = load_recipe(tmp_path / "recipe.yaml")
    assert recipe.dataset.layout == {"images": "{case}.png"}
    assert recipe_from_yaml(recipe.to_yaml(), "stored").dataset.layout == recipe.dataset.layout


def test_a_layout_card_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: no such recipe"):
        load_recipe(None, ["dataset.name=d", "dataset.layout=nowhere.yaml"])


def test_a_key_is_named_and_a_key_itself_is_not_told_again() -> None:
    load_recipe(None, ["dataset.name=d", "dataset.deidentify.key=env:SECRET"])
    with pytest.raises(RecipeError, match=r"dataset\.deidentify\.key: must be env:NAME or file:PATH") as caught:
        load_recipe(None, ["dataset.name=d", "dataset.deidentify.key=battery-staple"])
    assert "battery" not in str(caught.value)


def test_a_key_file_may_lie_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "our.key").write_text("k" * 32)
    (tmp_path / "recipe.yaml").write_text("dataset: {name: d, deidentify: {key: 'file:our.key'}}\n")
    assert load_recipe(tmp_path / "recipe.yaml").dataset.deidentify.key == f"file:{tmp_path / 'our.key'}"
