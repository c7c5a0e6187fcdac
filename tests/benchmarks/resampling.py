"""Resampling of a volume, against scikit-image, SimpleITK and nnU-Net."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from skimage.transform import resize

from medseg.data.resample import resample_image, resample_reference
from tests.benchmarks.timing import Line, faster, paired

FROM, TO = (96, 256, 256), (160, 205, 205)
ISOTROPIC = (1.0, 1.0, 1.0)
SIZES = "96x256x256 to 160x205x205"


def lines() -> Iterator[Line]:
    """One thread each, as in a process pool."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    volume = ndimage.gaussian_filter(np.random.default_rng(0).normal(0, 2000, FROM), 1).astype(np.float32)
    with_skimage = _against_skimage(volume)
    ours = resample_image(volume[None], TO, ISOTROPIC)[0]
    difference = np.abs(ours - with_skimage()).max() / np.ptp(volume)
    yield _line(f"order 3, {SIZES}", volume, with_skimage, "scikit-image", ">= 15 x")
    yield Line("  largest difference from scikit-image", f"{difference:.1e} of the range", "", "", "< 0.5%")
    yield _line(f"order 3, {SIZES}", volume, _against_sitk(volume), "SimpleITK B-spline")
    if importlib.util.find_spec("nnunetv2"):
        yield _line(f"order 3, {SIZES}", volume, _against_nnunet(volume), "nnU-Net resample_data_or_seg_to_shape")
    else:
        yield Line("nnU-Net resample_data_or_seg_to_shape", "", "nnunetv2 is not installed", "skipped")
    yield _references()


def _line(what: str, volume: np.ndarray, other: Callable[[], object], name: str, target: str = "") -> Line:
    ours_s, other_s = paired(lambda: resample_image(volume[None], TO, ISOTROPIC), other, rounds=5)
    return faster(what, ours_s, other_s, name, target)


def _against_skimage(volume: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: resize(volume, TO, order=3, mode="edge", anti_aliasing=False, preserve_range=True)


def _against_sitk(volume: np.ndarray) -> Callable[[], object]:
    image = sitk.GetImageFromArray(volume)
    spacing = [float(old / new) for old, new in zip(FROM[::-1], TO[::-1], strict=True)]
    origin = [(step - 1) / 2 for step in spacing]
    grid = sitk.Image(list(TO[::-1]), sitk.sitkFloat32)
    grid.SetSpacing(spacing)
    grid.SetOrigin(origin)
    return lambda: sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkBSpline))


def _against_nnunet(volume: np.ndarray) -> Callable[[], object]:
    from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape

    new_spacing = [old / new for old, new in zip(FROM, TO, strict=True)]
    return lambda: resample_data_or_seg_to_shape(volume[None], TO, ISOTROPIC, new_spacing, force_separate_z=False)


def _references() -> Line:
    """Ten organs, each class on its own and then the largest share; SciPy stands for the way without boxes."""
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in FROM], indexing="ij"))
    reference = np.zeros(FROM, np.uint8)
    for value, centre in enumerate(np.random.default_rng(0).uniform(0.2, 0.8, (10, 3)) * FROM, 1):
        reference[np.linalg.norm(grid - centre[:, None, None, None], axis=0) < 14] = value
    zooms = [new / old for new, old in zip(TO, FROM, strict=True)]

    def per_class() -> np.ndarray:
        masks = ((reference == value).astype(np.float32) for value in range(11))
        shares = [ndimage.zoom(mask, zooms, order=1, mode="nearest", grid_mode=True) for mask in masks]
        return np.argmax(shares, axis=0)

    ours_s, other_s = paired(lambda: resample_reference(reference, TO), per_class, rounds=2)
    return faster(f"10 classes, {SIZES}", ours_s, other_s, "scipy.ndimage.zoom per class, argmax")
