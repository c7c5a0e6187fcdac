"""TensorBoard's event files, with bytes that depend on nothing but what is said in them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from google.protobuf import struct_pb2
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    STATUS_FAILURE,
    STATUS_SUCCESS,
    STATUS_UNKNOWN,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from medseg.reporting.results import State

# TensorBoard knows its files by "tfevents"; those of trainings go on with a time and sort before this one
FILE_NAME = "events.out.tfevents.report"
STATUS: dict[State, Any] = {"succeeded": STATUS_SUCCESS, "failed": STATUS_FAILURE, "incomplete": STATUS_UNKNOWN}

Settings = Mapping[str, str | float]


def write_events(path: Path, values: Sequence[Summary.Value], wall_time: float) -> None:
    """Write all values as of step 0; TensorBoard's own writer would add the present time, host and process.

    Args:
        wall_time: seconds since 1970 that TensorBoard shows beside the values.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    events = [Event(wall_time=wall_time, file_version="brain.Event:2")]
    events += [Event(wall_time=wall_time, step=0, summary=Summary(value=[value])) for value in values]
    with path.open("wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString(deterministic=True))


def scalar(tag: str, value: float) -> Summary.Value:
    return Summary.Value(tag=tag, simple_value=value)


def picture(tag: str, png: bytes) -> Summary.Value:
    """A picture in colour, by the bytes of its PNG file."""
    width, height = struct.unpack(">II", png[16:24])  # a PNG begins with its signature and the header's length and name
    return Summary.Value(
        tag=tag, image=Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=png)
    )


def experiment(settings: Sequence[Settings], metrics: Mapping[str, str]) -> Summary.Value:
    """The columns of TensorBoard's table of hyperparameters, for all its rows.

    Args:
        settings: of every session.
        metrics: tag of a scalar to the name of its column.
    """
    names = list(dict.fromkeys(name for session in settings for name in session))
    infos = []
    for name in names:
        found = {session.get(name) for session in settings}
        kind = DATA_TYPE_STRING if any(isinstance(value, str) for value in found) else DATA_TYPE_FLOAT64
        infos.append(HParamInfo(name=name, type=kind, differs=len(found) > 1))
    columns = [MetricInfo(name=MetricName(tag=tag), display_name=name) for tag, name in metrics.items()]
    proto = Experiment(hparam_infos=infos, metric_infos=columns)
    return _hparams(metadata.EXPERIMENT_TAG, HParamsPluginData(experiment=proto))


def session(settings: Settings, state: State, wall_time: float) -> list[Summary.Value]:
    """One row of that table; the values of its metrics are scalars in the same folder."""
    values = {
        key: struct_pb2.Value(string_value=value) if isinstance(value, str) else struct_pb2.Value(number_value=value)
        for key, value in settings.items()
    }
    start = SessionStartInfo(hparams=values, start_time_secs=wall_time)
    end = SessionEndInfo(status=STATUS[state], end_time_secs=wall_time)
    return [
        _hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
        _hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
    ]


def _hparams(tag: str, data: HParamsPluginData) -> Summary.Value:
    content = data.SerializeToString(deterministic=True)  # maps have no order of their own
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=content)
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=metadata.NULL_TENSOR)
