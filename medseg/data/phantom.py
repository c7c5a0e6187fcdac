"""A made-up torso: organs of varying shape whose densities overlap, in Hounsfield units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Class name to its meaning and its SNOMED CT code.
ORGANS = {"liver": ("Liver", "10200004"), "spleen": ("Spleen", "78961009"), "kidney": ("Kidney", "64033007")}

AIR, FAT, MUSCLE, BONE = -1000.0, -100.0, 50.0, 350.0
NOISE = 22.0  # standard deviation in HU
TEXTURE = 10.0  # smooth variation inside tissue, in HU

Field = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Torso:
    """One patient.

    Attributes:
        hounsfield: (x, y, z) int16 in LPS: left, posterior, head.
        organs: (x, y, z) uint8, 0 for none, then the position in ``ORGANS`` from 1.
    """

    hounsfield: NDArray[np.int16]
    organs: NDArray[np.uint8]


def make_torso(
    random: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> Torso:
    """Draw one patient on a grid centred in the body."""
    x, y, z = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, spacing_mm, strict=True)], indexing="ij"
    )
    width, depth = random.normal(160, 8), random.normal(110, 6)
    surface = (x / width) ** 2 + (y / depth) ** 2 + 0.05 * _smooth(random, shape)
    body, inside = surface < 1, surface < 0.78
    hounsfield = np.where(body, FAT, AIR)
    hounsfield[inside] = MUSCLE
    _add_bowel(random, hounsfield, inside, (x, y, z))
    organs = _organs(random, inside, (x, y, z))
    for value, density in enumerate((random.normal(100, 12), random.normal(122, 12), random.normal(165, 18)), start=1):
        hounsfield[organs == value] = density
    spine = _ellipsoid(random, (x, y, z), (0, 0.5 * depth, 0), (19, 19, 1e4), 0.05)
    hounsfield[spine & (organs == 0)] = random.normal(BONE, 30)
    aorta = _ellipsoid(random, (x, y, z), (8, 0.25 * depth, 0), (10, 10, 1e4), 0.0)
    hounsfield[aorta & (organs == 0)] = random.normal(150, 20)
    hounsfield[body] += (TEXTURE * _smooth(random, shape))[body]
    return Torso(_scanned(random, hounsfield), organs)


def _organs(random: np.random.Generator, inside: Mask, grid: tuple[Field, Field, Field]) -> NDArray[np.uint8]:
    """Liver on the patient's right, spleen on the left behind, kidneys beside the spine and lower."""
    shift = random.normal(0, 6, 3)
    size = random.normal(1, 0.08)
    x, _, z = grid
    liver = _ellipsoid(random, grid, np.add((-58, -12, 22), shift), (78 * size, 62 * size, 52 * size), 0.25)
    liver &= x < 25 + 0.5 * z + shift[0]  # the left lobe thins out towards the feet
    spleen = _ellipsoid(random, grid, random.normal((92, 32, 28), 7), (27 * size, 40 * size, 34 * size), 0.2)
    kidneys = [
        _ellipsoid(random, grid, random.normal((side * 58, 45, -25), 6), (23 * size, 26 * size, 42 * size), 0.15)
        for side in (-1, 1)
    ]
    organs = np.zeros(inside.shape, dtype=np.uint8)
    for value, mask in ((3, kidneys[0] | kidneys[1]), (2, spleen), (1, liver)):
        organs[mask & inside & (organs == 0)] = value
    return organs


def _add_bowel(random: np.random.Generator, hounsfield: Field, inside: Mask, grid: tuple[Field, Field, Field]) -> None:
    """Loops of bowel as dense as organs, some with air: what a threshold alone would take for organ."""
    for _ in range(7):
        centre = random.uniform((-60, -70, -75), (100, 0, 10))
        loop = _ellipsoid(random, grid, centre, random.uniform(12, 24, 3), 0.2) & inside
        hounsfield[loop] = random.choice([-300.0, 30.0, 90.0, 130.0])


def _ellipsoid(
    random: np.random.Generator,
    grid: tuple[Field, Field, Field],
    centre: NDArray | tuple[float, ...],
    radii: NDArray | tuple[float, ...],
    roughness: float,
) -> Mask:
    """An ellipsoid whose surface is bent by smooth noise; all lengths in mm."""
    distance = sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True))
    return np.asarray(distance + roughness * _smooth(random, grid[0].shape) < 1)


def _smooth(random: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Smooth noise of mean 0 and deviation near 1: a coarse random grid, enlarged by cubic splines axis by axis."""
    coarse = random.normal(0, 1.3, (6, 6, 5))
    along_x, along_y, along_z = (
        ndimage.zoom(np.eye(few), (many / few, 1), order=3) for few, many in zip(coarse.shape, shape, strict=True)
    )
    return np.einsum("abc,ia,jb,kc->ijk", coarse, along_x, along_y, along_z, optimize=True)


def _scanned(random: np.random.Generator, hounsfield: Field) -> NDArray[np.int16]:
    """Blur of the voxels, then noise, as a scanner adds them."""
    blurred = ndimage.gaussian_filter(hounsfield, 0.5)
    noisy = blurred + random.normal(0, NOISE, hounsfield.shape)
    return np.rint(np.clip(noisy, -1024, 3071)).astype(np.int16)
