"""The recipe: one typed, frozen description of a benchmark, loaded from YAML with dotted overrides."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from medseg.cluster_config import ClusterConfig, ResourcesConfig, ScheduleConfig
from medseg.errors import RecipeError
from medseg.section import Count, Fraction, Positive, Section, Slug
from medseg.validation import parse_value, set_by_path, validate

ModalityName = Literal["auto", "ct", "mr", "xray", "ultrasound", "rgb", "other"]
AxisName = Literal["left-right", "posterior-anterior", "inferior-superior"]  # I, J, K in RAS+

EMBEDDED = "embedded"

NO_WEIGHTS, PUBLISHED = "none", "imagenet"
WEIGHTS_FILES = (".safetensors", ".pt", ".pth", ".bin")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def is_hub_id(weights: str) -> bool:
    """Whether it names a Hugging Face repository, ``owner/name``, and not a file."""
    return bool(_HUB_ID.fullmatch(weights)) and not weights.endswith(WEIGHTS_FILES)


def _check_weights(weights: str) -> str:
    if weights in (NO_WEIGHTS, PUBLISHED) or is_hub_id(weights) or weights.endswith(WEIGHTS_FILES):
        return weights
    raise ValueError(
        f"must be {NO_WEIGHTS}, {PUBLISHED}, a Hugging Face repository owner/name, or an s3:// URI or path that ends"
        f" with {', '.join(WEIGHTS_FILES)}"
    )


Weights = Annotated[str, AfterValidator(_check_weights)]


class StoreConfig(Section):
    """Where data, checkpoints and reports lie.

    Attributes:
        uri: ``s3://bucket[/prefix]``, a local folder, or ``embedded``: a real S3 server on this machine
            over ``embedded_folder``, started and stopped by the command.
        endpoint_url, access_key, secret_key, region: override the AWS variables; keys are never written anywhere.
    """

    uri: str = EMBEDDED
    endpoint_url: str | None = None
    access_key: SecretStr | None = Field(default=None, exclude=True)
    secret_key: SecretStr | None = Field(default=None, exclude=True)
    region: str | None = None
    embedded_folder: Path = Path(".medseg/s3")

    @model_validator(mode="before")
    @classmethod
    def _uri_alone(cls, value: Any) -> Any:
        return {"uri": value} if isinstance(value, str) else value


class ToleranceConfig(Section):
    """How exactly slices of one series, and image and reference, must agree before they are taken as one.

    Attributes:
        slice_gap_mm: by which the gaps of a series may differ from their median; None is 5% of the median.
        gantry_tilt_degrees: between the slice normal and the line through the slice positions.
        orientation_degrees: between the orientations of slices of one volume.
        duplicate_mm: slices that lie nearer to each other than this are duplicates.
        reference_mm: between the corners of an image and its reference; None is 10% of a voxel, at most 1 mm.
    """

    slice_gap_mm: Positive | None = None
    gantry_tilt_degrees: Positive = 0.5
    orientation_degrees: Positive = 0.1
    duplicate_mm: Positive = 0.001
    reference_mm: Positive | None = None


class RegionConfig(Section):
    """A rectangle of a picture as stored: first and last-plus-one row and column."""

    rows: tuple[Annotated[int, Field(ge=0)], Count]
    columns: tuple[Annotated[int, Field(ge=0)], Count]

    @field_validator("rows", "columns")
    @classmethod
    def _holds_something(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] >= value[1]:
            raise ValueError("must be first and last-plus-one, the first below the other")
        return value


class DeidentifyConfig(Section):
    """The options of DICOM PS3.15 Annex E on top of the Basic Profile, and the key of the pseudonyms.

    Attributes:
        key: ``env:NAME`` or ``file:PATH``, never the key itself; None is $MEDSEG_PSEUDONYM_KEY or, on one machine, a
            key file made on first use. Named here, names of cases and patients of every layout become pseudonyms.
        longitudinal_dates: Retain Longitudinal Temporal Information With Modified Dates: dates of a patient are kept,
            all shifted by the same secret number of days.
        patient_characteristics: Retain Patient Characteristics: sex, age, size and weight are kept.
        mask_regions: Clean Pixel Data: these rectangles are blanked in every picture that may carry burned-in text,
            which is left out without them.
    """

    key: str | None = None
    longitudinal_dates: bool = False
    patient_characteristics: bool = False
    mask_regions: tuple[RegionConfig, ...] = ()

    @field_validator("key")
    @classmethod
    def _names_a_place(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("env:", "file:")):
            raise ValueError("must be env:NAME or file:PATH, never the key itself: the recipe is stored with every run")
        return value


class DatasetConfig(Section):
    """What to ingest.

    Attributes:
        source: folder or ``s3://`` prefix with the raw scans.
        version: use this finished version of the data set instead of ingesting ``source``.
        layout: ``auto``, a name that ``medseg layouts`` lists, or the layout card itself; a path of a card's YAML file
            is replaced by its content when the recipe is loaded.
        classes: class name to value in the reference files, background 0 left out; found by the layout if absent.
        overlap: whose are voxels that two segments claim: of the class that comes ``last`` or ``first``, with a warning
            that counts them, or the case is refused.
        fraction_threshold: fractional segments cover the voxels with at least this share.
        resample_references: references on another grid are resampled to their image's instead of refused.
    """

    name: Slug
    source: str | None = None
    version: str | None = None
    layout: str | dict[str, Any] = "auto"
    modality: ModalityName = "auto"
    classes: dict[str, Annotated[int, Field(ge=1)]] | None = None
    tolerances: ToleranceConfig = ToleranceConfig()
    deidentify: DeidentifyConfig = DeidentifyConfig()
    overlap: Literal["refuse", "first", "last"] = "last"
    fraction_threshold: Annotated[float, Field(gt=0, le=1)] = 0.5
    resample_references: bool = False


class PreprocessConfig(Section):
    """Overrides of the plan; whatever is None is planned from the training split.

    Attributes:
        crop: to the box of the voxels that are not 0; ``auto`` where that saves a quarter of the training volumes.
        spacing_mm: target voxel size along I, J, K.
        size: 2D pictures without a physical scale are resized to (I, J) pixels.
        patch_2d, patch_3d: training patch in voxels.
    """

    crop: Literal["auto", "nonzero", "none"] = "auto"
    spacing_mm: tuple[Positive, Positive, Positive] | None = None
    size: tuple[Count, Count] | None = None
    normalization: Literal["auto", "ct", "zscore", "percentile"] = "auto"
    patch_2d: tuple[Count, Count] | None = None
    patch_3d: tuple[Count, Count, Count] | None = None


class SplitConfig(Section):
    """How patients are parted; a split that the source predefines goes first."""

    test_fraction: Fraction = 0.2
    validation_fraction: Fraction = 0.2
    folds: Count = 1
    seed: int = 0

    @model_validator(mode="after")
    def _leaves_training_cases(self) -> Self:
        if self.test_fraction + self.validation_fraction >= 1:
            raise ValueError(
                "test_fraction + validation_fraction must leave a training part, got "
                f"{self.test_fraction} + {self.validation_fraction} >= 1"
            )
        return self


class AugmentationConfig(Section):
    """Probability of each random change of a training patch, and its range.

    Attributes:
        flip_axes: directions in which patches are flipped. Scans are stored in one orientation, so that position tells
            classes apart; only left and right look alike often enough to be worth exchanging.
    """

    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    flip_axes: tuple[AxisName, ...] = ("left-right",)
    affine: Annotated[float, Field(ge=0, le=1)] = 0.3
    rotation_degrees: Annotated[float, Field(ge=0, le=180)] = 15.0
    scaling: Fraction = 0.2
    brightness: Annotated[float, Field(ge=0, le=1)] = 0.15
    contrast: Annotated[float, Field(ge=0, le=1)] = 0.15
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.15
    noise: Annotated[float, Field(ge=0, le=1)] = 0.1


class EncoderConfig(Section):
    """How the pretrained part of a network is trained; models without an encoder have none to treat apart.

    Attributes:
        frozen_epochs: epochs, from the first, in which it stays as it was loaded; ``all`` never thaws it.
        learning_rate_factor: its learning rate, as a part of that of the rest.
    """

    frozen_epochs: Annotated[int, Field(ge=0)] | Literal["all"] = 0
    learning_rate_factor: Annotated[float, Field(gt=0, le=1)] = 1.0


class TrainConfig(Section):
    """The training budget and method, equal for all models of a family unless a model's own configuration differs.

    Attributes:
        steps_per_epoch: optimizer steps; None is one pass over the training cases.
        max_minutes: training ends after this wall-clock time even if epochs are left; the learning rate follows.
        batch_size: patches per step; None is 8 slices or 2 volumes.
        warmup_fraction: part of the whole budget with rising learning rate.
        foreground_fraction: part of the patches that is centred on a random foreground class.
        early_stopping_patience: validations without improvement; None never stops early.
        checkpoint_minutes: longest time between two checkpoints in the store, within an epoch too.
        amp: mixed precision on GPUs.
        workers: loader processes; 0 loads in the training process.
        threads: CPU threads of torch; None is all cores.
    """

    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    epochs: Count = 50
    steps_per_epoch: Count | None = None
    max_minutes: Positive | None = None
    batch_size: Count | None = None
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    momentum: Fraction = 0.99
    schedule: Literal["cosine", "polynomial"] = "cosine"
    warmup_fraction: Fraction = 0.05
    gradient_clip: Positive = 12.0
    amp: bool = True
    foreground_fraction: Annotated[float, Field(ge=0, le=1)] = 0.33
    augmentation: AugmentationConfig = AugmentationConfig()
    encoder: EncoderConfig = EncoderConfig()
    validate_every: Count = 1
    early_stopping_patience: Count | None = None
    checkpoint_minutes: Positive = 5.0
    workers: Annotated[int, Field(ge=0)] = 0
    threads: Count | None = None


class LesionsConfig(Section):
    """Detection of single lesions, the connected components of a class.

    Attributes:
        classes: names of the classes whose lesions are counted.
        iou: from which IoU on a predicted lesion has found one of the reference.
    """

    classes: tuple[str, ...] = Field(min_length=1)
    iou: Annotated[float, Field(gt=0, le=1)] = 0.1


class EvaluateConfig(Section):
    """How predictions are made and scored.

    Attributes:
        tolerance_mm: NSD tolerance, one for all classes or by class name; NSD is left out where it is not given.
        surface: what NSD counts: voxels of the surface as MONAI does, or the area of ``surfel``s as DeepMind does.
        lesions: None does not count lesions.
        overlap: of neighbouring sliding windows.
        mirror: average the prediction over the flips that training used.
    """

    tolerance_mm: Positive | dict[str, Positive] | None = None
    surface: Literal["voxel", "surfel"] = "voxel"
    lesions: LesionsConfig | None = None
    overlap: Fraction = 0.5
    mirror: bool = False

    def tolerances(self, classes: Iterable[str]) -> dict[str, float]:
        """NSD tolerance in mm of every class that has one.

        Raises:
            RecipeError: a tolerance is given for a class that the data does not have.
        """
        names = list(classes)
        if not isinstance(self.tolerance_mm, dict):
            return {} if self.tolerance_mm is None else dict.fromkeys(names, self.tolerance_mm)
        for name, value in self.tolerance_mm.items():
            _require_class(name, names, f"evaluate.tolerance_mm.{name} = {value}")
        return dict(self.tolerance_mm)

    def lesion_iou(self, classes: Iterable[str]) -> dict[str, float]:
        """From which IoU on lesions match, of every class whose lesions are counted.

        Raises:
            RecipeError: one of the classes is not in the data.
        """
        if self.lesions is None:
            return {}
        names = list(classes)
        for name in self.lesions.classes:
            _require_class(name, names, f"evaluate.lesions.classes: {name}")
        return dict.fromkeys(self.lesions.classes, self.lesions.iou)


def _require_class(name: str, classes: list[str], where: str) -> None:
    if name not in classes:
        raise RecipeError(f"{where}: no such class; choices: {', '.join(classes)}")


class GateConfig(Section):
    """When the pipeline's last step makes a run fail although every model has scores.

    Attributes:
        fail_if_worse: a model is significantly worse than in the last finished run of this name.
    """

    fail_if_worse: bool = False


class ModelEntry(Section):
    """One model of the benchmark and its own dotted settings, e.g. ``{train.learning_rate: 0.01}``."""

    model: str
    set: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str) else value


class Recipe(Section):
    """A whole benchmark.

    Attributes:
        shards: pods that ingest and preprocess are parted over.
        workers: processes of one pod that read and write scans; None is one per core.
        weights: from which training starts: ``none`` (random), ``imagenet``, a Hugging Face repository ``owner/name``
            (both from the store's mirror, which ``medseg weights pull`` fills), ``s3://`` or the path of a file.
    """

    name: Slug
    run_id: Slug | None = None
    shards: Annotated[int, Field(ge=1, le=999)] = 1
    workers: Count | None = None
    store: StoreConfig = StoreConfig()
    dataset: DatasetConfig
    preprocess: PreprocessConfig = PreprocessConfig()
    split: SplitConfig = SplitConfig()
    models: tuple[ModelEntry, ...] = Field(default=(ModelEntry(model="unet"),), min_length=1)
    weights: Weights = NO_WEIGHTS
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    gate: GateConfig = GateConfig()
    resources: ResourcesConfig = ResourcesConfig()
    cluster: ClusterConfig = ClusterConfig()
    schedule: ScheduleConfig | None = None

    @model_validator(mode="after")
    def _each_model_once(self) -> Self:
        names = [entry.model for entry in self.models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"models lists {', '.join(twice)} more than once; every model has one folder in a run")
        return self

    def with_run_id(self) -> Recipe:
        """This recipe with a run id, made from its name and the time if it has none."""
        if self.run_id:
            return self
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        return self.model_copy(update={"run_id": f"{self.name[:40]}-{stamp}"})

    def to_yaml(self) -> str:
        """What was set, as YAML that loads to an equal recipe; credentials are left out."""
        return yaml.safe_dump(self.model_dump(mode="json", exclude_unset=True), sort_keys=False)


class UnitConfig(Section):
    """Everything that shapes one training of one model, after all defaults and overrides.

    Attributes:
        network: keyword arguments of the model's builder.
    """

    model: str
    weights: Weights
    network: dict[str, Any]
    train: TrainConfig
    evaluate: EvaluateConfig
    resources: ResourcesConfig


def digest(value: BaseModel | Mapping[str, Any] | list[Any], length: int = 12) -> str:
    """Hash of a configuration: equal for equal values, whatever the order of keys."""
    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def load_recipe(path: Path | None, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply ``key.path=value`` overrides; values are YAML.

    Raises:
        RecipeError: names the file, the key path, the value and the choices.
    """
    raw = _read_yaml(path) if path else {}
    for override in overrides:
        key, sign, text = override.partition("=")
        if not sign or not key:
            raise RecipeError(f"--set {override}: must read key.path=value, e.g. --set train.epochs=20")
        set_by_path(raw, key, parse_value(text), where=f"--set {override}")
    dataset = raw.get("dataset")
    if isinstance(dataset, dict):
        _inline_card(dataset, path)
        _find_key(dataset, path)
    if "name" not in raw:
        raw["name"] = (
            path.stem if path else dataset.get("name", "benchmark") if isinstance(dataset, dict) else "benchmark"
        )
    return validate(Recipe, raw, str(path) if path else "recipe from --set")


def _inline_card(dataset: dict[str, Any], recipe: Path | None) -> None:
    """Put a layout card in the place of its path: pods get the recipe, not the files beside it."""
    layout = dataset.get("layout")
    if isinstance(layout, str) and layout.endswith((".yaml", ".yml")):
        beside = recipe.parent / layout if recipe else Path(layout)
        dataset["layout"] = _read_yaml(beside if beside.is_file() else Path(layout))


def _find_key(dataset: dict[str, Any], recipe: Path | None) -> None:
    """A key file may be named by its place beside the recipe."""
    deidentify = dataset.get("deidentify")
    if not recipe or not isinstance(deidentify, dict):
        return
    key = deidentify.get("key")
    if isinstance(key, str) and key.startswith("file:"):
        beside = recipe.parent / key.removeprefix("file:")
        if beside.is_file():
            deidentify["key"] = f"file:{beside.absolute()}"


def recipe_from_yaml(text: str, where: str) -> Recipe:
    """A recipe from YAML text, such as a run's stored ``config.yaml``."""
    raw = _mapping(yaml.safe_load(text), where)
    return validate(Recipe, raw, where)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        beside = sorted(str(p) for p in path.parent.glob("[!.]*.y*ml")) if path.parent.is_dir() else []
        choices = f" Recipes in that folder: {', '.join(beside)}." if beside else ""
        raise RecipeError(f"{path}: no such recipe.{choices}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe: {error}") from None
    try:
        return _mapping(yaml.safe_load(text), str(path))
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: is not valid YAML: {error}") from None


def _mapping(raw: Any, where: str) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise RecipeError(
            f"{where}: must be a mapping of keys such as name, dataset and models, got {type(raw).__name__}"
        )
    return raw
