"""Every file that crosses a stage boundary: where it lies in the store, what it holds, and its version."""

from __future__ import annotations

import re
import reprlib
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from medseg.errors import DataError

SCHEMA_VERSION = 2

DATASET_FILE = "dataset.json"  # marker: written last, a data set without it is unfinished
CASES_FILE = "cases.parquet"
REJECTED_FILE = "rejected.csv"
INGEST_FILE = "ingest.json"
AUDIT_FILE = "audit.jsonl"
INSPECT_FILE = "inspect.html"
PLAN_FILE = "plan.json"  # marker of a finished preprocessing
SPLITS_FILE = "splits.json"
CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
STATUS_FILE = "status.json"
CHECKPOINT_LAST_FILE = "checkpoint_last.pt"
CHECKPOINT_BEST_FILE = "checkpoint_best.pt"
MODEL_FILE = "model.pt"
HISTORY_FILE = "history.csv"
METRICS_FILE = "metrics.csv"
SUMMARY_FILE = "summary.json"
WEIGHTS_FILE = "weights.json"  # marker: written last, weights without it are not whole
REPORT_FILE = "index.html"
RESULTS_FILE = "results.json"
RESULTS_SCHEMA_FILE = "results.schema.json"
SIGNS_FOLDER = "alive"


def join(uri: str, *parts: str) -> str:
    """Join store URI and key parts with single slashes."""
    return "/".join([uri.rstrip("/"), *(part.strip("/") for part in parts)])


def dataset_uri(store_uri: str, name: str, version: str) -> str:
    return join(store_uri, "datasets", name, version)


def image_key(case: str, channel: int) -> str:
    return f"images/{case}_{channel:04d}.nii.gz"


def reference_key(case: str) -> str:
    return f"labels/{case}.nii.gz"


def preprocessed_uri(store_uri: str, dataset_version: str, plan_hash: str) -> str:
    return join(store_uri, "preprocessed", dataset_version, plan_hash)


def array_key(case: str) -> str:
    return f"arrays/{case}.b2nd"


def reference_array_key(case: str) -> str:
    return f"arrays/references/{case}.b2nd"


def prediction_key(case: str) -> str:
    return f"predictions/{case}.nii.gz"


def run_uri(store_uri: str, run_id: str) -> str:
    return join(store_uri, "runs", run_id)


def store_uri_of_run(run_uri: str) -> str:
    """The store's root, from the URI of a run in it."""
    return run_uri.rstrip("/").rsplit("/runs/", 1)[0]


def run_id(run_uri: str) -> str:
    """The last part of its URI."""
    return run_uri.rstrip("/").rsplit("/", 1)[-1]


def in_store(store_uri: str, uri: str) -> str:
    """The URI of a data set or of training arrays in a store that may have moved since the URI was written.

    A store is opened as s3:// by the pods that fill it, and as a folder by whoever looks at a copy.
    """
    for kind in ("/preprocessed/", "/datasets/"):
        _, found, rest = uri.rpartition(kind)
        if found:
            return join(store_uri, kind, rest)
    return uri


def records_uri(store_uri: str) -> str:
    """Folder of the records of all finished runs."""
    return join(store_uri, "leaderboard")


def record_key(run_id: str) -> str:
    return f"{run_id}.json"


def weights_uri(store_uri: str, name: str = "") -> str:
    """Folder of one mirrored file of weights, by its ``owner/name`` or ``host/file``; without a name that of all."""
    return join(store_uri, "weights", *([name] if name else []))


def sign_key(model: str) -> str:
    """Inside the run's folder."""
    return f"{SIGNS_FOLDER}/{model}.json"


def unit_key(model: str, seed: int, fold: int) -> str:
    """Folder of one training inside its run."""
    return f"{model}/seed-{seed}/fold-{fold}"


def _store_uri(uri: str) -> str:
    """What ``open_store`` can open; a file that names no store is damaged, a store that is not there is not."""
    if not re.fullmatch(r"s3://[A-Za-z0-9._-]+(/.*)?|file://.+|(?!.*://).+", uri):
        raise ValueError("must name a store: s3://bucket/prefix, or a folder")
    return uri


def _instant(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("must be a date and time with its zone")
    return text


StoreUri = Annotated[str, AfterValidator(_store_uri)]
Count = Annotated[int, Field(ge=0, lt=2**63)]  # what an array of int64 holds
Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]  # 30,000 years
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    place = ".".join(map(str, fault["loc"])) or "content"
    rule = fault["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return f"{place}: {rule}, got {reprlib.repr(fault['input'])}"


class Artifact(BaseModel):
    """A JSON file in the store; reading one of another schema version is an error."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    schema_version: int = SCHEMA_VERSION

    def to_bytes(self) -> bytes:
        return (self.model_dump_json(indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes, uri: str) -> Self:
        """Parse a stored file.

        Raises:
            DataError: the file is damaged or of another schema version; names ``uri``.
        """
        try:
            artifact = cls.model_validate_json(data)
        except ValidationError as error:
            raise DataError(
                f"{uri}: not a readable {cls.__name__} file: {_first_fault(error)};"
                " delete it and run the stage that wrote it again"
            ) from error
        known = cls.model_fields["schema_version"].default
        if artifact.schema_version != known:
            raise DataError(
                f"{uri}: has schema version {artifact.schema_version}, this medseg reads {known};"
                " run the stage that wrote it again"
            )
        return artifact


Modality = Literal["ct", "mr", "xray", "ultrasound", "rgb", "other"]
Task = Literal["segmentation", "classification", "prediction"]


class Dataset(Artifact):
    """``dataset.json``: nnU-Net v2's own keys first, so that other tools read it, then ours.

    Attributes:
        labels: class name to value in the reference, background 0, values consecutive; for classification the classes
            of whole images, from 0; empty for prediction.
        task: what the references are for: ``prediction`` has none.
        dimensions: 2 where every case has one slice, else 3.
    """

    channel_names: dict[str, str]
    labels: dict[str, int]
    numTraining: int  # noqa: N815  nnU-Net's spelling
    file_ending: str = ".nii.gz"
    name: str
    version: str
    modality: Modality
    task: Task = "segmentation"
    dimensions: Literal[2, 3]
    layout: str

    @property
    def foreground(self) -> dict[str, int]:
        return {name: value for name, value in self.labels.items() if value}


class IngestSummary(Artifact):
    """``ingest.json``: every input file is in exactly one of the two counts."""

    layout: str
    layout_reason: str
    files_seen: int
    files_accepted: int
    files_rejected: int
    cases: int
    rejected_by_code: dict[str, int]
    warnings: list[str] = []


class Normalization(BaseModel):
    """How intensities of one channel are scaled.

    Attributes:
        method: ``ct`` clips to [low, high] and z-scores with mean and std of the training foreground;
            ``zscore`` z-scores each case; ``percentile`` scales each case's 0.5 to 99.5 percentiles to [0, 1].
    """

    model_config = ConfigDict(frozen=True)
    method: Literal["ct", "zscore", "percentile"]
    low: float = 0.0
    high: float = 0.0
    mean: float = 0.0
    std: float = 1.0


class Orient(BaseModel):
    """Axes run towards right, anterior and superior, as ingest stores every image."""

    model_config = ConfigDict(frozen=True)
    name: Literal["orient"] = "orient"
    axes: Literal["RAS"] = "RAS"


class Crop(BaseModel):
    """The smallest box that holds every voxel that is not 0 in some channel; the rest is predicted as background."""

    model_config = ConfigDict(frozen=True)
    name: Literal["crop"] = "crop"
    region: Literal["nonzero"] = "nonzero"


class Normalize(BaseModel):
    """Intensities are scaled, every channel by its own parameters."""

    model_config = ConfigDict(frozen=True)
    name: Literal["normalize"] = "normalize"
    channels: tuple[Normalization, ...]


class Resample(BaseModel):
    """Images by splines, references linearly per class and then the largest share; predicted scores linearly back.

    Attributes:
        spacing_mm: target voxel size along I, J, K; None where ``size`` rules.
        size: pictures without a physical scale are resized to (I, J) pixels; None where spacing rules.
        order: of the splines along every axis but a strongly anisotropic one.
        coarse_axis_order: along an axis whose voxels are more than ``anisotropy_limit`` times the finest ones.
    """

    model_config = ConfigDict(frozen=True)
    name: Literal["resample"] = "resample"
    spacing_mm: tuple[float, float, float] | None
    size: tuple[int, int] | None
    order: int
    coarse_axis_order: int
    anisotropy_limit: float


Step = Annotated[Orient | Crop | Normalize | Resample, Field(discriminator="name")]


class Plan(Artifact):
    """``plan.json``: what preprocessing did, from the training split alone.

    Attributes:
        steps: in the order in which they were done; a prediction goes back through them in reverse.
        slice_axis: 2D networks see slices across this axis, the one with the coarsest voxels.
        patch_2d, patch_3d: training patch in voxels; ``patch_3d`` is None for 2D data.
    """

    dataset_uri: StoreUri
    dataset_version: str
    labels: dict[str, int]
    channels: int
    dimensions: Literal[2, 3]
    modality: Modality
    steps: tuple[Step, ...] = ()
    slice_axis: Literal[0, 1, 2]
    patch_2d: tuple[int, int]
    patch_3d: tuple[int, int, int] | None
    fingerprint: dict[str, object]

    @property
    def crops(self) -> bool:
        return any(isinstance(step, Crop) for step in self.steps)

    @property
    def normalization(self) -> tuple[Normalization, ...]:
        """One entry per channel."""
        return next((step.channels for step in self.steps if isinstance(step, Normalize)), ())

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        return self._resample.spacing_mm if self._resample else None

    @property
    def size(self) -> tuple[int, int] | None:
        return self._resample.size if self._resample else None

    @property
    def _resample(self) -> Resample | None:
        return next((step for step in self.steps if isinstance(step, Resample)), None)


class Fold(BaseModel):
    model_config = ConfigDict(frozen=True)
    train: list[str]
    validation: list[str]


class Splits(Artifact):
    """``splits.json``: case names; the test cases are the same for every fold, model and seed."""

    test: list[str]
    folds: list[Fold]


class MirroredWeights(Artifact):
    """``weights.json``: one published file of weights, as it lies beside it.

    Attributes:
        name: its folder in the mirror.
        place: Hugging Face repository ``owner/name``, or URL.
        revision: commit of the repository; None for a URL.
        mirrored: when, in UTC.
    """

    name: str
    place: str
    revision: str | None
    file: str
    bytes: int
    sha256: str
    license: str
    mirrored: str


class PretrainedWeights(BaseModel):
    """What a training started from.

    Attributes:
        place: Hugging Face repository, URL, ``s3://`` or path.
        license: as its publisher states it; empty for files of one's own.
    """

    model_config = ConfigDict(frozen=True)
    place: str
    sha256: str
    license: str = ""


class Status(Artifact):
    """``status.json``: the one source of truth about one training.

    Attributes:
        state: ``failed`` carries ``reason``; ``running`` with ``stage`` evaluate means that the model is trained.
        config_hash: hash of everything that shapes the result; another hash means another training.
    """

    state: Literal["running", "succeeded", "failed"]
    stage: Literal["train", "evaluate"]
    reason: str = ""
    config_hash: str
    preprocessed_uri: StoreUri
    updated: str


SignState = Literal["expected", "working", "paused"]


class Sign(Artifact):
    """``alive/<model>.json``: the last sign of life of a model in this start of the run.

    Attributes:
        state: ``expected`` once its turn has come, ``working`` while a pod is at work, ``paused`` when one has ended.
    """

    at: Annotated[str, AfterValidator(_instant)]
    state: SignState


class CalibrationBin(BaseModel):
    """Test voxels to which a model gave a foreground probability from ``low`` to below ``high``.

    Attributes:
        voxels: how many.
        probability: mean foreground probability that the model gave them; None where there are none.
        foreground: part of them that is foreground in the reference; None where there are none.
    """

    model_config = ConfigDict(frozen=True)
    low: Share
    high: Share
    voxels: Count
    probability: Share | None
    foreground: Share | None


def _square(matrix: list[list[Count]]) -> list[list[Count]]:
    if any(len(row) != len(matrix) for row in matrix):
        raise ValueError("must be square")
    return matrix


class Summary(Artifact):
    """``summary.json``: one trained and scored model. Figures that an earlier medseg did not measure are None.

    Attributes:
        scores: metric name to its test-set mean by CONVENTIONS: over cases, then over classes; None where undefined.
        per_class: class name to the same metrics.
        evaluate: the settings that the scores were made with.
        confusion: voxels of all test cases, rows by reference, columns by prediction, in the order of the data set's
            labels, background first; a case that was not predicted counts as predicted background.
        calibration: of the foreground probability over all test voxels, lowest bin first; None where no case was
            predicted.
        seconds_per_case: median wall-clock time to predict one test case on the native grid, warm-up excluded.
        seconds_per_case_p95: 95th percentile of the same.
        train_seconds: wall-clock time of the training, all sessions together.
        devices: how many of ``device`` the training used.
        multiply_adds: of the forward pass of one patch of ``patch`` voxels.
        train_peak_bytes, predict_peak_bytes: the most memory in use, of the GPU or, without one, of the process.
        weights: None where training started from random ones.
    """

    model: str
    seed: int
    fold: int
    dataset_uri: StoreUri
    preprocessed_uri: StoreUri
    cases: Count
    cases_missing: Count
    evaluate: dict[str, object]
    scores: dict[str, float | None]
    per_class: dict[str, dict[str, float | None]]
    pooled: dict[str, dict[str, float | None]]
    confusion: Annotated[list[list[Count]], AfterValidator(_square)] | None = None
    calibration: list[CalibrationBin] | None = None
    seconds_per_case: Seconds | None
    seconds_per_case_p95: Seconds | None = None
    train_seconds: Seconds
    devices: Annotated[Count, Field(gt=0)] = 1
    parameters: Annotated[Count, Field(gt=0)]
    patch: tuple[int, ...] | None = None
    multiply_adds: Count | None = None
    train_peak_bytes: Count | None = None
    predict_peak_bytes: Count | None = None
    device: str
    weights: PretrainedWeights | None = None


class RecordedModel(BaseModel):
    """One model of a finished run; a number is None where it is undefined or was not reached.

    Attributes:
        rank: None where the model has no full result; from scratch and from pretrained weights apart.
        dice, dice_low, dice_high: test-set mean and its 95% interval.
    """

    model_config = ConfigDict(frozen=True)
    model: str
    weights: str
    status: str
    rank: int | None
    dice: float | None
    dice_low: float | None
    dice_high: float | None
    seconds_per_case: float | None
    train_seconds: float | None
    device_hours: float | None
    parameters_millions: float | None


class RunRecord(Artifact):
    """``leaderboard/<run id>.json``: a finished run, for later ones to find; says nothing of where the store is.

    Attributes:
        schema_version: its own, because records outlive the other files of their run.
        name: of the recipe; scheduled runs share it.
        started, finished: UTC, ISO 8601; empty where the run does not say.
        test_cases: how many; ``test_cases_hash`` is equal for equal names.
    """

    schema_version: int = 1
    run_id: str
    name: str
    started: str
    finished: str
    dataset: str | None
    dataset_version: str | None
    test_cases: int
    test_cases_hash: str
    models: list[RecordedModel]
