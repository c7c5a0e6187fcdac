"""Run as a module: one command of nnU-Net, in a process that ends with its parent and names its failure."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import time

WATCH_S = 0.5


def main(parent: int, command: str, *arguments: str) -> None:
    """Run ``plan``, ``train`` or ``predict`` with the arguments of nnU-Net's command of that name."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    from medseg.errors import NonFiniteLossError, OutOfMemoryError
    from medseg.training.memory import naming_memory_failures
    from medseg.training.nnunet.messages import send

    sys.argv = [command, *arguments]
    try:
        with naming_memory_failures("lower network.gpu_memory_gb of this model"):
            {"plan": _plan, "train": _train, "predict": _predict}[command]()
    except OutOfMemoryError as error:
        send("failure", kind=OutOfMemoryError.__name__, reason=str(error))
        raise
    except FloatingPointError as error:
        send("failure", kind=NonFiniteLossError.__name__, reason=str(error))
        raise


def _plan() -> None:
    from nnunetv2.experiment_planning.plan_and_preprocess_entrypoints import plan_and_preprocess_entry

    plan_and_preprocess_entry()


def _train() -> None:
    """``nnUNetv2_train`` with our trainer among its own, where alone it looks for one."""
    from nnunetv2.run.run_training import run_training_entry

    from medseg.training.nnunet.trainer import BudgetTrainer

    where = importlib.import_module("nnunetv2.training.nnUNetTrainer.nnUNetTrainer")
    setattr(where, BudgetTrainer.__name__, BudgetTrainer)
    run_training_entry()


def _predict() -> None:
    from medseg.training.nnunet.predictor import predict_entry

    predict_entry(*sys.argv[1:])


def _end_with(parent: int) -> None:
    """A parent that was killed cannot end its children, and nnU-Net's own would outlive it too."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
