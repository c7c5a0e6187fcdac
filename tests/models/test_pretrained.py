"""Weights from files fit into networks for other channels, classes and sizes, and are refused where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from monai.networks.nets.swin_unetr import SwinTransformer
from safetensors.torch import save_file
from torch import nn
from transformers import BeitConfig, BeitForImageClassification

from medseg.errors import DataError, RecipeError
from medseg.models import registry
from medseg.models.adapter import Segmenter
from medseg.models.pretrained import Loaded, Shape, load_pretrained
from medseg.models.weights import renames
from medseg.models.weights_file import in_names_of_timm, read_weights

ROWS, FEATURES = 3, 4


class Toy(nn.Module):
    """An encoder with a convolution, positions and a table, and a head."""

    def __init__(self, channels: int, classes: int, side: int, class_token: bool) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.conv = nn.Conv2d(channels, 2, 1)
        self.encoder.norm = nn.BatchNorm2d(2)
        self.encoder.pos_embed = nn.Parameter(torch.randn(1, side**2 + class_token, FEATURES))
        self.encoder.relative_position_bias_table = nn.Parameter(torch.randn((2 * side - 1) ** 2 + 3, FEATURES))
        self.encoder.rel_pos_h = nn.Parameter(torch.randn(2 * side - 1, FEATURES))
        self.head = nn.Conv2d(2, classes, 1)


def toy(channels: int = 3, classes: int = 5, side: int = ROWS, class_token: bool = True) -> Segmenter:
    return Segmenter(Toy(channels, classes, side, class_token), encoder=("encoder",))


def load(network: Segmenter, state: dict[str, torch.Tensor], channels: int = 3, classes: int = 5) -> Loaded:
    return load_pretrained(network, state, Shape(2, channels, classes), "w.pt")


def values(network: Segmenter, name: str) -> torch.Tensor:
    return network.network.state_dict()[name]


SUMMED_OR_REPEATED = [(1, [6]), (2, [1.5, 3]), (3, [1, 2, 3]), (4, [0.75, 1.5, 2.25, 0.75])]


@pytest.mark.parametrize(("channels", "expected"), SUMMED_OR_REPEATED)
def test_red_green_and_blue_fit_any_number_of_channels(channels: int, expected: list[float]) -> None:
    state = toy().network.state_dict()
    state["encoder.conv.weight"] = torch.tensor([1.0, 2, 3])[None, :, None, None].repeat(2, 1, 1, 1)
    network = toy(channels)
    loaded = load(network, state, channels)
    assert values(network, "encoder.conv.weight")[0].flatten().tolist() == expected
    assert loaded.input == (["encoder.conv.weight"] if channels != 3 else [])


def test_a_head_for_other_classes_stays_random_and_all_else_is_loaded() -> None:
    source, network = toy(classes=5), toy(classes=2)
    before = values(network, "head.weight").clone()
    loaded = load(network, source.network.state_dict(), classes=2)
    assert loaded.head == ["head.weight", "head.bias"]
    assert not loaded.random
    torch.testing.assert_close(values(network, "head.weight"), before)
    torch.testing.assert_close(values(network, "encoder.norm.running_var"), values(source, "encoder.norm.running_var"))
    assert str(loaded) == "9 of 11 tensors loaded; left random for the number of classes: head.weight, head.bias"


@pytest.mark.parametrize(("there", "here"), [(True, True), (True, False), (False, False)])
def test_positions_are_interpolated_and_the_class_token_is_not_among_them(there: bool, here: bool) -> None:
    state = toy(class_token=there).network.state_dict()
    constant = torch.arange(1.0, 1 + FEATURES)
    state["encoder.pos_embed"][:, int(there) :] = constant
    state["encoder.pos_embed"][:, : int(there)] = -7
    network = toy(side=5, class_token=here)
    loaded = load(network, state)
    positions = values(network, "encoder.pos_embed")
    torch.testing.assert_close(positions[0, int(here) :], constant.expand(25, FEATURES))
    assert not here or (positions[0, 0] == -7).all()
    assert "encoder.pos_embed" in loaded.grid


def test_tables_of_relative_positions_are_interpolated_and_their_last_three_rows_kept() -> None:
    state = toy().network.state_dict()
    state["encoder.relative_position_bias_table"][:-3] = 2.0
    state["encoder.relative_position_bias_table"][-3:] = -7
    state["encoder.rel_pos_h"] = torch.arange(5.0)[:, None].repeat(1, FEATURES)
    network = toy(side=5)
    load(network, state)
    table = values(network, "encoder.relative_position_bias_table")
    torch.testing.assert_close(table[:-3], torch.full((81, FEATURES), 2.0))
    assert (table[-3:] == -7).all()
    distances = values(network, "encoder.rel_pos_h")[:, 0]
    assert distances[4] == 2  # no distance stays in the middle
    assert (distances.diff() >= 0).all()


@pytest.mark.parametrize("prefix", ["", "module.", "model.encoder.", "backbone."])
def test_an_encoder_alone_fits_under_any_prefix(prefix: str) -> None:
    source, network = toy(), toy()
    state = {prefix + name: value for name, value in source.network.encoder.state_dict().items()}
    state["fc.weight"] = torch.zeros(1000, 2)
    loaded = load(network, state)
    torch.testing.assert_close(values(network, "encoder.conv.weight"), values(source, "encoder.conv.weight"))
    assert loaded.unused == ["fc.weight"]
    assert loaded.random == ["head.weight", "head.bias"]
    assert str(loaded) == "9 of 11 tensors loaded; left random: head; not used of the file: fc.weight"


def test_our_own_model_with_its_settings_beside_it_fits(tmp_path: Path) -> None:
    source, network = toy(), toy(classes=2)
    torch.save({"network": source.state_dict(), "unit": {"model": "toy"}, "epoch": 3}, tmp_path / "model.pt")
    loaded = load(network, dict(read_weights(tmp_path / "model.pt")), classes=2)
    assert (loaded.head, loaded.random, loaded.unused) == (["head.weight", "head.bias"], [], [])


def test_another_network_is_told_by_its_names() -> None:
    state = {f"layer{number}.conv.weight": torch.zeros(1) for number in range(1, 9)}
    with pytest.raises(RecipeError, match=r"has only 0 of the 11 .* lacks e\.g\. encoder\..* has e\.g\. layer1\.conv"):
        load(toy(), state)


def test_another_network_is_told_by_a_shape() -> None:
    state = toy().network.state_dict() | {"encoder.norm.weight": torch.zeros(64)}
    with pytest.raises(RecipeError, match=r"norm\.weight is 64, encoder\.norm\.weight of the network is 2: .*set"):
        load(toy(), state)


def test_a_grid_that_is_no_square_is_refused() -> None:
    state = toy().network.state_dict() | {"encoder.pos_embed": torch.zeros(1, 8 * 5, FEATURES)}
    with pytest.raises(RecipeError, match=r"encoder\.pos_embed is 1 x 40 x 4"):
        load(toy(), state)


class Runs:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('code in a file of weights was run')",)


def test_files_that_hold_no_tensors_or_code_are_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "empty.pt")
    torch.save({"state_dict": Runs()}, tmp_path / "code.pth")
    save_file({"a": torch.zeros(100)}, tmp_path / "half.safetensors")
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "half.safetensors").read_bytes()[:-50])
    with pytest.raises(DataError, match="empty.pt: holds no tensors by name"):
        read_weights(tmp_path / "empty.pt")
    for name in ("code.pth", "half.safetensors"):
        with pytest.raises(DataError, match=f"{name}: cannot be read as weights"):
            read_weights(tmp_path / name)


SMALL_BEIT = {"image_size": 64, "embedding": 24, "blocks": 4, "heads": 2, "feature_blocks": [0, 1, 2, 3]}


def test_published_names_of_beit_are_those_of_older_versions(tmp_path: Path) -> None:
    config = BeitConfig(
        image_size=64, hidden_size=24, num_hidden_layers=4, num_attention_heads=2, intermediate_size=96,
        use_relative_position_bias=True,
    )  # fmt: skip
    BeitForImageClassification(config).save_pretrained(tmp_path)
    state = read_weights(tmp_path / "model.safetensors")
    assert "beit.encoder.layer.0.attention.attention.query.weight" in state
    network = registry.build(registry.default_unit("beit", SMALL_BEIT), 1, 2)
    loaded = load_pretrained(network, state, Shape(2, 1, 2), "beit")
    assert not [name for name in loaded.random if name.startswith("beit.")]


def test_weights_of_swin_from_before_timm_moved_its_downsampling_fit() -> None:
    now = timm.create_model("swin_tiny_patch4_window7_224").state_dict()
    then = {}
    for name, value in now.items():
        parts = name.replace("head.fc.", "head.").split(".")
        parts[1] = str(int(parts[1]) - 1) if parts[2:3] == ["downsample"] else parts[1]
        then[".".join(parts)] = value
    assert set(then) != set(now)
    again = in_names_of_timm(then, "swin_tiny_patch4_window7_224", "swin")
    assert set(again) == set(now)
    name = "layers.1.downsample.reduction.weight"
    torch.testing.assert_close(again[name], now[name])


def test_weights_that_are_not_the_model_of_timm_are_refused() -> None:
    with pytest.raises(RecipeError, match="timm/resnet10t: does not hold the weights of timm's resnet10t"):
        in_names_of_timm({"conv.weight": torch.zeros(1)}, "resnet10t", "timm/resnet10t")


def test_published_names_of_swin_unetr_are_those_of_its_pretraining() -> None:
    small = {"feature_size": 12, "depths": [1, 1, 1, 1], "heads": [1, 2, 4, 8]}
    published = SwinTransformer(1, 12, (7, 7, 7), (2, 2, 2), (1, 1, 1, 1), (1, 2, 4, 8)).state_dict()
    state = {f"module.{name.replace('mlp.linear', 'mlp.fc')}": value for name, value in published.items()}
    network = registry.build(registry.default_unit("swinunetr", small), 2, 3)
    loaded = load_pretrained(network, state, Shape(3, 2, 3), "swinvit", renames("swinunetr"))
    assert loaded.input == ["swinViT.patch_embed.proj.weight"]
    assert not [name for name in loaded.random if name.startswith("swinViT.")]
