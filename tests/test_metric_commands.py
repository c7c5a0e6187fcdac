"""``medseg metrics``: files in, JSON out, and the same values as the libraries that everybody knows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from medseg import __version__
from medseg.cli import main
from medseg.metrics.case import METRICS

MONAI = {"hd95_mm": "hd95_mm_monai", "hd_mm": "hd100_mm_monai", "assd_mm": "assd_mm_monai"}
OVERLAPS = ("dice", "iou", "sensitivity", "specificity", "precision")

Metrics = Callable[..., list[dict[str, Any]]]


def write(path: Path, values: Any, spacing_mm: tuple[float, ...] = (1.0, 1.0, 1.0), dtype: Any = np.uint8) -> Path:
    path.parent.mkdir(exist_ok=True)
    values = np.asarray(values, dtype)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([*spacing_mm, 1.0])), path)
    return path


def row(*values: int) -> np.ndarray:
    """A volume of 2 slices with one row of these class values."""
    volume = np.zeros((len(values), 3, 2), np.uint8)
    volume[:, 1, 0] = values
    return volume


@pytest.fixture
def metrics(capsys: pytest.CaptureFixture[str]) -> Metrics:
    """Run the command on two paths and return its scores."""

    def run(prediction: Path, reference: Path, *words: str) -> list[dict[str, Any]]:
        capsys.readouterr()
        assert main(["metrics", "--prediction", str(prediction), "--reference", str(reference), *words]) == 0
        scores: list[dict[str, Any]] = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["scores"]
        return scores

    return run


@pytest.mark.parametrize("surface", ["voxel", "surfel"])
def test_files_of_the_reference_masks_give_the_reference_values(
    surface: str, metrics: Metrics, shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data.parent / "reference" / "metrics"
    if not folder.is_dir():
        pytest.skip(f"reference values are not here: {folder}")
    masks = np.load(folder / "masks.npz")
    for case in json.loads((folder / "cases.json").read_text())["cases"]:
        flat = len(case["shape"]) == 2
        spacing_mm = (*case["spacing_mm"], 1.0) if flat else tuple(case["spacing_mm"])
        arrays = [masks[side + case["id"]] for side in "pg"]
        files = [
            write(tmp_path / f"{side}.nii", array[..., None] if flat else array, spacing_mm)
            for side, array in zip("pg", arrays, strict=True)
        ]
        [score] = metrics(*files, "--tolerance-mm", str(case["tolerance_mm"]), "--surface", surface)
        expected = case["expected"]
        assert score["class"] == "1"
        if "dice" not in expected:
            assert score["flag"] == case["name"].replace("_", "-")
            continue
        for name in OVERLAPS:
            assert score[name] == pytest.approx(expected[name], abs=1e-9), (case["name"], name)
        for name, monai in MONAI.items():
            assert score[name] == pytest.approx(expected[monai], abs=1e-4), (case["name"], name)
        nsd, within = ("nsd_monai", 1e-4) if surface == "voxel" else ("nsd_surfel", 1e-3)
        assert score["nsd"] == pytest.approx(expected[nsd], abs=within), case["name"]


def test_as_a_user_types_it_without_torch(tmp_path: Path) -> None:
    path = write(tmp_path / "case_7.nii.gz", row(0, 1, 0))
    code = "import sys; from medseg.cli import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    words = ["metrics", "--prediction", str(path), "--reference", str(path), "--tolerance-mm", "2"]
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    report = json.loads(run.stdout)
    assert (report["medseg"], report["surface"], report["tolerance_mm"]) == (__version__, "voxel", 2.0)
    [score] = report["scores"]
    assert list(score) == ["case", "class", *METRICS, "flag"]
    assert [score[key] for key in ("case", "class", "dice", "nsd", "flag")] == ["case_7", "1", 1, 1, ""]
    assert not run.stderr


def test_folders_are_scored_by_name_and_every_value_is_a_class_of_every_case(metrics: Metrics, tmp_path: Path) -> None:
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    write(references / "a.nii.gz", row(1, 1, 0, 0))
    write(predictions / "a.nii", row(1, 0, 0, 0), dtype=np.float32)
    write(references / "b.nii.gz", row(0, 10, 0, 2))
    write(predictions / "b.nii.gz", row(0, 10, 0, 0))
    (predictions / "dataset.json").write_text("{}")
    (predictions / "._a.nii").write_text("as macOS leaves it")
    scores = metrics(predictions, references)
    assert [(score["case"], score["class"], score["dice"], score["flag"]) for score in scores] == [
        ("a", "1", 2 / 3, ""),
        ("a", "2", None, "both-empty"),
        ("a", "10", None, "both-empty"),
        ("b", "1", None, "both-empty"),
        ("b", "2", 0, "prediction-empty"),
        ("b", "10", 1, ""),
    ]
    assert all(score["nsd"] is None for score in scores)
    assert [score["specificity"] for score in scores if score["flag"] == "both-empty"] == [1, 1, 1]


def test_a_case_without_prediction_scores_worst_in_every_class(
    metrics: Metrics, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    predictions, references = tmp_path / "predictions", tmp_path / "references"
    for name, values in {"a": (1, 2), "b": (1, 0)}.items():
        write(references / f"{name}.nii", row(*values), (1.0, 2.0, 3.0))
    write(predictions / "a.nii", row(1, 2), (1.0, 2.0, 3.0))
    scores = metrics(predictions, references, "--tolerance-mm", "1")
    worst = [score for score in scores if score["case"] == "b"]
    assert [(score["class"], score["flag"]) for score in worst] == [("1", "not-predicted"), ("2", "not-predicted")]
    for score in worst:
        assert (score["dice"], score["nsd"], score["hd95_mm"]) == (0, 0, pytest.approx(np.linalg.norm([2, 6, 6])))
    assert "b.nii: no prediction in" in caplog.text


def test_two_empty_masks_are_one_absent_class(metrics: Metrics, tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.nii", row(0, 0))
    assert [(score["class"], score["flag"]) for score in metrics(empty, empty)] == [("1", "both-empty")]


def test_files_of_two_axes_and_of_one_slice_are_pictures(metrics: Metrics, tmp_path: Path) -> None:
    prediction, reference = np.zeros((2, 8, 6))
    prediction[2:6, 2:5] = reference[1:6, 2:4] = 1
    picture, slices = (
        metrics(
            write(tmp_path / "p.nii", prediction.reshape(shape), (2.0, 0.5, 7.0)),
            write(tmp_path / "r.nii", reference.reshape(shape), (2.0, 0.5, 7.0)),
        )[0]
        for shape in ((8, 6), (8, 6, 1))
    )
    assert picture["hd95_mm"] > 0
    for metric in METRICS[:9]:
        assert picture[metric] == slices[metric]


def test_a_prediction_in_another_orientation_is_turned(metrics: Metrics, tmp_path: Path) -> None:
    values = row(1, 1, 0, 2)
    reference = write(tmp_path / "r.nii", values, (2.0, 1.0, 3.0))
    turned = tmp_path / "turned.nii"
    affine = np.array([[0, -2.0, 0, 6], [1, 0, 0, 0], [0, 0, 3, 0], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(values[::-1].transpose(1, 0, 2), affine), turned)
    assert [score["dice"] for score in metrics(turned, reference)] == [1, 1]


@pytest.fixture
def odd_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("mask.nii"), row(0, 1, 0))
    write(Path("longer.nii"), row(0, 1, 0, 0))
    write(Path("coarser.nii"), row(0, 1, 0), (1.0, 1.0, 2.0))
    write(Path("halves.nii"), row(0, 1, 0) / 2, dtype=np.float32)
    Path("torn.nii").write_bytes(Path("mask.nii").read_bytes()[:360])
    Path("text.nii").write_text("no image")
    for folder, names in {"one": ("a", "b"), "two": ("a",), "other": ("c",), "none": ()}.items():
        Path(folder).mkdir()
        for name in names:
            write(Path(folder, f"{name}.nii"), row(0, 1, 0))
    write(Path("twice", "a.nii"), row(0, 1))
    write(Path("twice", "a.nii.gz"), row(0, 1))


@pytest.mark.usefixtures("odd_files")
@pytest.mark.parametrize(
    ("prediction", "reference", "says"),
    [
        ("nowhere.nii", "mask.nii", "nowhere.nii: there is no such file"),
        ("mask.nii", "one", "one is a folder, mask.nii a file: give two files, or two folders"),
        ("longer.nii", "mask.nii", "longer.nii: 4 x 3 x 2 voxels, but 3 x 3 x 2 voxels in mask.nii; resample"),
        ("coarser.nii", "mask.nii", "coarser.nii: lies more than 0.1 mm from where mask.nii lies: voxels of 1 x 1 x 2"),
        ("halves.nii", "mask.nii", "halves.nii: class values must be whole numbers, found 0.5"),
        ("mask.nii", "torn.nii", "torn.nii: the header promises 370 bytes, the file holds 360"),
        ("text.nii", "mask.nii", "text.nii: does not begin with a NIfTI header"),
        ("one", "two", "one: b without a reference of this name in two; add the references"),
        ("one", "other", "one and other have no names of files in common: a, b in one, c in the other"),
        ("one", "none", "none: holds no file that ends in .nii.gz or .nii"),
        ("twice", "one", "twice: a.nii and a.nii.gz are both case a"),
    ],
)
def test_what_cannot_work_is_said_and_ends_with_1(
    prediction: str, reference: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metrics", "--prediction", prediction, "--reference", reference]) == 1
    out, error = capsys.readouterr()
    assert says in error
    assert not out
    assert "Traceback" not in error


@pytest.mark.parametrize("tolerance", ["-1", "nan", "inf", "wide"])
def test_a_tolerance_is_a_length(tolerance: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["metrics", "--prediction", "p", "--reference", "r", "--tolerance-mm", tolerance])
    assert f"{tolerance!r} must be a number of mm from 0" in capsys.readouterr().err
