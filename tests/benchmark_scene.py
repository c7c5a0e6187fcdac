"""A benchmark small enough to run in seconds: eight patients whose organ is a bright ball."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

SHAPE = (20, 18, 16)
PATIENTS = 8


def write_balls(folder: Path) -> Path:
    """``images/`` and ``labels/`` with one ball each, at another place and size per patient, under noise."""
    for sub in ("images", "labels"):
        (folder / sub).mkdir(parents=True)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"))
    for patient in range(PATIENTS):
        random = np.random.default_rng(patient)
        centre = np.array(SHAPE) / 2 + random.uniform(-3, 3, 3)
        ball = np.linalg.norm(grid - centre[:, None, None, None], axis=0) < random.uniform(4, 6)
        image = (100 * ball + random.normal(0, 20, SHAPE)).astype(np.int16)
        for sub, array in (("images", image), ("labels", ball.astype(np.uint8))):
            nibabel.save(nibabel.Nifti1Image(array, np.diag([1.5, 1.5, 2.0, 1.0])), folder / sub / f"p{patient}.nii.gz")
    return folder


def recipe_text(source: Path) -> str:
    """Two models, a 2D and a 3D one, small enough for a CPU."""
    return f"""
name: balls
run_id: balls
dataset: {{name: balls, source: {source}, modality: mr, classes: {{ball: 1}}}}
models:
  - {{model: segformer, set: {{train.learning_rate: 0.001}}}}
  - {{model: unet3d, set: {{network.channels: [8, 16]}}}}
train: {{epochs: 3, steps_per_epoch: 8, batch_size: 4, learning_rate: 0.01, threads: 1}}
evaluate: {{tolerance_mm: 2.0}}
"""
