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
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray

from medseg.errors import OutOfMemoryError
from medseg.training.memory import naming_memory_failures
from medseg.training.nnunet.messages import send


def predict_entry(job_path: str) -> None:
    """Predict the cases of a job file; tells of each one when it is done.

    The job has ``model``, ``device``, ``threads``, ``overlap``, ``mirror`` and ``cases``: name to ``images`` and
    ``output``, a file for the (I, J, K) class map on the native grid.
    """
    job = json.loads(Path(job_path).read_text())
    if job["device"] == "cpu":
        torch.set_num_threads(job["threads"])
    predict = _predictor(job)
    is_warm = False
    for case, files in job["cases"].items():
        try:
            with naming_memory_failures("give the machine or the pod more memory"):
                classes, seconds = predict(files["images"], not is_warm)
        except OutOfMemoryError as error:
            send("failed-case", case=case, reason=str(error))
            continue
        is_warm = True
        np.save(files["output"], classes)
        send("case", case=case, seconds=seconds)


def _predictor(job: dict[str, Any]) -> Callable[[list[str], bool], tuple[NDArray[np.uint8], float]]:
    """A function of a case's files and whether to warm up; gives the class map and the seconds that it took."""
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

    def predict(images: list[str], warm_up: bool) -> tuple[NDArray[np.uint8], float]:
        preprocessor = configuration.preprocessor_class(verbose=False)
        data, _, properties = preprocessor.run_case(images, None, plans, configuration, dataset)
        if warm_up:
            predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
        start = time.perf_counter()
        logits = predictor.predict_logits_from_preprocessed_data(torch.from_numpy(data))
        classes = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, plans, configuration, labels, properties
        )
        seconds = time.perf_counter() - start
        return np.ascontiguousarray(classes.transpose(2, 1, 0)), seconds  # nnU-Net's axes are K, J, I

    return predict
