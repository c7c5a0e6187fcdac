"""nnU-Net's predictions of single cases; imported only in nnU-Net's own process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.label_handling.label_handling import LabelManager, determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from medseg.errors import OutOfMemoryError
from medseg.training.memory import naming_memory_failures
from medseg.training.nnunet.messages import send
from medseg.training.peak_memory import PeakMemory


def predict_entry(job_path: str) -> None:
    """Predict the cases of a job file; tells of each one when it is done.

    The job has ``model``, ``device``, ``threads``, ``overlap``, ``mirror`` and ``cases``: name to ``images`` and two
    files for (I, J, K) arrays on the native grid: ``classes``, and the probability of ``foreground``.
    """
    job = json.loads(Path(job_path).read_text())
    if job["device"] == "cpu":
        torch.set_num_threads(job["threads"])
    memory = PeakMemory(torch.device(job["device"]))
    predict = _predictor(job)
    is_warm = False
    for case, files in job["cases"].items():
        try:
            with naming_memory_failures("give the machine or the pod more memory"):
                classes, foreground, seconds = predict(files["images"], not is_warm)
        except OutOfMemoryError as error:
            send("failed-case", case=case, reason=str(error))
            continue
        is_warm = True
        np.save(files["classes"], classes)
        np.save(files["foreground"], foreground)
        send("case", case=case, seconds=seconds)
    send("end", peak_bytes=memory.bytes)


class _Labels:
    """The part of nnU-Net's label manager that makes class maps of logits, keeping the foreground probability.

    nnU-Net hands out the probabilities of all classes or none, for 1.4 times the memory and time of the way back to
    the native grid, which would count as its own.

    Attributes:
        foreground: along the logits' spatial axes, of the latest class map.
    """

    def __init__(self, labels: LabelManager) -> None:
        self._labels = labels
        self.foreground_labels = labels.foreground_labels
        self.foreground = torch.empty(0)

    def convert_logits_to_segmentation(self, logits: Any) -> Any:
        self.foreground = foreground_probability(torch.as_tensor(logits))
        return self._labels.convert_logits_to_segmentation(logits)


def foreground_probability(logits: torch.Tensor) -> torch.Tensor:
    """1 - the softmax of class 0 of (classes, *size) logits, one class at a time: as float32 in [0, 1]."""
    largest = logits.amax(0).float()
    total = torch.zeros_like(largest)
    for one in logits:
        total += (one.float() - largest).exp_()
    return (1 - (logits[0].float() - largest).exp_() / total).clamp_(0, 1)


def _predictor(job: dict[str, Any]) -> Callable[[list[str], bool], tuple[NDArray[Any], NDArray[Any], float]]:
    """A function of a case's files and whether to warm up.

    It gives the class map, the foreground probability and the seconds that they took.
    """
    state = torch.load(job["model"], map_location="cpu", weights_only=True)
    trained = state["nnunet"]
    plans, dataset = PlansManager(trained["plans"]), trained["dataset"]
    configuration, labels = plans.get_configuration(trained["configuration"]), plans.get_label_manager(dataset)
    channels = determine_num_input_channels(plans, configuration, dataset)
    network = nnUNetTrainer.build_network_architecture(
        plans, configuration, channels, labels.num_segmentation_heads, enable_deep_supervision=False
    )
    predictor = nnUNetPredictor(
        tile_step_size=1 - job["overlap"],
        use_mirroring=job["mirror"],
        device=torch.device(job["device"]),
        allow_tqdm=False,
    )
    predictor.manual_initialization(
        network, plans, configuration, [state["network"]], dataset, "", trained["mirror_axes"]
    )

    def predict(images: list[str], warm_up: bool) -> tuple[NDArray[Any], NDArray[Any], float]:
        preprocessor = configuration.preprocessor_class(verbose=False)
        data, _, properties = preprocessor.run_case(images, None, plans, configuration, dataset)
        if warm_up:
            predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
        start = time.perf_counter()
        logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
        kept = _Labels(labels)
        classes = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, plans, configuration, kept, properties
        )
        foreground = np.zeros(properties["shape_before_cropping"], np.float32)
        foreground[tuple(slice(*span) for span in properties["bbox_used_for_cropping"])] = kept.foreground.numpy()
        foreground = foreground.transpose(plans.transpose_backward)
        seconds = time.perf_counter() - start
        return _ours(classes), _ours(foreground), seconds

    return predict


def _ours(array: NDArray[Any]) -> NDArray[Any]:
    """nnU-Net's axes are K, J, I."""
    return np.ascontiguousarray(array.transpose(2, 1, 0))
