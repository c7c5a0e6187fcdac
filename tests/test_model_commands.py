"""``medseg models``: the list of what can be trained, and all about one of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from medseg.cli import main
from medseg.config import load_recipe
from medseg.models import registry
from medseg.models.specs import MODELS

SMALL = ("unet3d", "--size", "16", "16", "16", "--set", "network.channels=[4, 8]")


def test_the_list_fits_into_120_columns_and_names_each_model_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    first_words = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert [word for word in first_words if word in registry.model_names()] == registry.model_names()


def test_the_list_needs_no_library_of_networks() -> None:
    code = "import sys; from medseg.cli import main; main(['models']); print(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "unet3d" in run.stdout
    heavy = {"torch", "torchvision", "monai", "timm", "transformers", "segmentation_models_pytorch", "nnunetv2"}
    assert not heavy & set(run.stderr.split())


def test_programs_get_every_model_with_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in listed] == [spec.name for spec in MODELS]
    fields = "name dims library weights_license parameters_millions paper family output channels size_multiple encoder"
    assert all(list(model) == fields.split() for model in listed)
    assert all(type(model["encoder"]) is bool and model["dims"] in (2, 3) for model in listed)
    assert [model["name"] for model in listed if not model["parameters_millions"]] == ["nnunet"]


def test_a_model_is_shown_as_a_recipe_would_list_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *SMALL, "--batch", "3", "--set", "train.augmentation.noise=0"]) == 0
    _, _, rest = capsys.readouterr().out.partition("\n\n")
    shown = yaml.safe_load(rest.split("\n\n")[0])
    recipe = load_recipe(None, ["dataset.name=toy", f"models={json.dumps(shown['models'])}"])
    unit = registry.unit_config(recipe, "unet3d")
    assert unit.train == registry.default_unit("unet3d").train.model_copy(
        update={"batch_size": 3, "augmentation": unit.train.augmentation}
    )
    assert unit.train.augmentation.noise == 0
    assert unit.network["channels"] == [4, 8]


def test_a_model_is_shown_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *SMALL, "--json", "--channels", "3", "--classes", "5"]) == 0
    shown = json.loads(capsys.readouterr().out)
    network = registry.build(registry.default_unit("unet3d", {"channels": [4, 8]}), 3, 5)
    assert shown["parameters"] == sum(weight.numel() for weight in network.parameters())
    assert shown["input"] == {"channels": 3, "classes": 5, "size": [16, 16, 16], "batch_size": 2}
    assert shown["flops"] == 2 * shown["multiply_adds"] > 0
    assert all(shown["memory_bytes"].values())
    assert main(["models", *SMALL]) == 0
    page = capsys.readouterr().out
    for figure in ("parameters", "multiply-adds", "activations", "training", "inference"):
        assert figure in page


def test_a_network_that_is_planned_per_data_set_has_no_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "nnunet"]) == 0
    assert "nnunetv2 plans its network anew for every data set" in capsys.readouterr().out
    assert main(["models", "nnunet", "--json"]) == 0
    assert "memory_bytes" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["unet3"], "no model is called 'unet3'. Nearest: unet3d"),
        (["unet3d", "--size", "8", "16", "8"], "the nearest one that it can take is 8 32 8"),
        (["unet", "--size", "64"], "a 2D model, which needs 2 numbers"),
        (["unet", "--set", "train.epocs=3"], "train.epocs = 3: unknown key. Did you mean 'epochs'?"),
        (["unet", "--set", "network.encoder"], "must read key.path=value"),
        (["unet", "--set", "network.encoder=resnet35"], "cannot be built"),
        (["deeplabv3", "--batch", "1"], "train.batch_size = 1 is too small"),
    ],
)
def test_what_cannot_work_is_said_and_ends_with_1(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", *words]) == 1
    assert says in capsys.readouterr().err
