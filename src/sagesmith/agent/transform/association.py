"""What is done to records on their way to the model server and to its answers: filters, the join, inference ids.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/batch-transform-data-processing.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-data-capture-batch.html ("InferenceId Generation")
"""

import csv
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sagesmith.agent.transform.failures import Fault, ObjectFailed
from sagesmith.compute.base import Transform
from sagesmith.identifiers import random_uuid
from sagesmith.jsonpath import JsonPath, NotFound

INPUT, OUTPUT = "SageMakerInput", "SageMakerOutput"
INFERENCE_ID, INFERENCE_TIME = "SageMakerInferenceId", "SageMakerInferenceTime"


class Format(Protocol):
    """Records of one content type, as Python values."""

    name: str

    def read(self, text: str, *, lines: bool) -> list[Any]:
        """The records of a text, one a line if it may have several.

        Raises:
            ValueError: it is not of this format.
        """
        ...

    def write(self, records: Sequence[Any]) -> str:
        """The text of some records, a newline between two of them."""
        ...

    def select(self, path: JsonPath, record: Any) -> Any:
        """What a path takes of a record.

        Raises:
            NotFound: the record has not what it asks for.
        """
        ...

    def join(self, record: Any, prediction: Any) -> Any:
        """A record with what the model said to it."""
        ...

    def identified(self, record: Any, inference_id: str, at: str) -> Any:
        """A record with an inference id."""
        ...


class _Csv:
    name = "CSV"

    def read(self, text: str, *, lines: bool) -> list[Any]:
        try:
            return [row for row in csv.reader(io.StringIO(text), strict=True) if row]
        except csv.Error as error:
            raise ValueError(str(error)) from error

    def write(self, records: Sequence[Any]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(records)
        return text.getvalue().removesuffix("\n")

    def select(self, path: JsonPath, record: Any) -> Any:
        return path.select_row(record)

    def join(self, record: Any, prediction: Any) -> Any:
        return [*record, *prediction]

    def identified(self, record: Any, inference_id: str, at: str) -> Any:
        return [*record, inference_id, at]


class _Json:
    name = "JSON"

    def read(self, text: str, *, lines: bool) -> list[Any]:
        # A single document may stand on several lines.
        try:
            return [json.loads(text)]
        except ValueError:
            if not lines:
                raise
            return [json.loads(line) for line in text.split("\n") if line.strip()]

    def write(self, records: Sequence[Any]) -> str:
        return "\n".join(json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records)

    def select(self, path: JsonPath, record: Any) -> Any:
        return path.select(record)

    def join(self, record: Any, prediction: Any) -> Any:
        return {**record, OUTPUT: prediction} if isinstance(record, dict) else {INPUT: record, OUTPUT: prediction}

    def identified(self, record: Any, inference_id: str, at: str) -> Any:
        members = record if isinstance(record, dict) else {OUTPUT: record}
        return {**members, INFERENCE_ID: inference_id, INFERENCE_TIME: at}


JSON_LINES = "application/jsonlines"
_FORMATS: dict[str, Format] = {"text/csv": _Csv(), "application/json": _Json(), JSON_LINES: _Json()}


def media_type(content_type: str | None) -> str:
    """A content type without its parameters, in lower case."""
    return (content_type or "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is sent to the model server, and what has to be remembered of it until there is an answer."""

    payload: bytes
    records: Sequence[Any] = ()


class Association:
    """What a job does to its records.

    Args:
        started_at: of the job, in seconds since the epoch.
    """

    def __init__(self, transform: Transform, started_at: float) -> None:
        self._transform = transform
        self._input_filter = JsonPath.parse(transform.input_filter or "$")
        self._output_filter = JsonPath.parse(transform.output_filter or "$")
        self._at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started_at))
        self._reads = transform.join_input or not self._input_filter.selects_all
        self._writes = transform.join_input or not self._output_filter.selects_all or transform.inference_ids

    def prepare(self, batch: bytes) -> Prepared:
        """A mini-batch as it is sent.

        Raises:
            ObjectFailed: it is not what its content type says, or has not what the filter wants.
        """
        if not self._reads:
            return Prepared(batch)
        kind = media_type(self._transform.content_type)
        shape = _format(kind, "ContentType", "ClientError")
        records = _read(shape, batch, self._by_line(kind), "the input", "ClientError")
        if self._input_filter.selects_all:
            return Prepared(batch, records)
        try:
            filtered = shape.write([shape.select(self._input_filter, record) for record in records])
        except NotFound as error:
            raise _not_found("InputFilter", self._input_filter, error) from error
        return Prepared((filtered + "\n" if batch.endswith(b"\n") else filtered).encode(), records)

    def finish(self, prepared: Prepared, answer: bytes, content_type: str | None) -> bytes:
        """What is stored of an answer.

        Args:
            content_type: of the answer.

        Raises:
            ObjectFailed: it cannot be read, or does not have a record for each that was sent.
        """
        if not self._writes:
            return answer
        joins = self._transform.join_input
        kind = media_type(self._transform.accept or (self._transform.content_type if joins else content_type))
        shape = _format(kind, "Accept", "AlgorithmError")
        records = _read(shape, answer, self._by_line(kind), "output from the algorithm", "AlgorithmError")
        if joins:
            if len(records) != len(prepared.records):
                raise ObjectFailed(
                    "AlgorithmError",
                    f"Number of records in the output from the algorithm ({len(records)}) does not match the number of "
                    f"records in the input ({len(prepared.records)})",
                )
            records = [
                shape.join(record, prediction) for record, prediction in zip(prepared.records, records, strict=True)
            ]
        try:
            if not self._output_filter.selects_all:
                records = [shape.select(self._output_filter, record) for record in records]
        except NotFound as error:
            raise _not_found("OutputFilter", self._output_filter, error) from error
        if self._transform.inference_ids:
            records = [shape.identified(record, random_uuid(), self._at) for record in records]
        return shape.write(records).encode()

    def _by_line(self, kind: str) -> bool:
        return self._transform.split == "Line" or kind == JSON_LINES


def _format(kind: str, member: str, fault: Fault) -> Format:
    found = _FORMATS.get(kind)
    if found is None:
        allowed = ", ".join(_FORMATS)
        raise ObjectFailed(fault, f"{member} must be one of {allowed} for DataProcessing, not {kind or 'missing'}")
    return found


def _read(shape: Format, data: bytes, lines: bool, what: str, fault: Fault) -> list[Any]:
    try:
        return shape.read(data.decode("utf-8"), lines=lines)
    except (ValueError, RecursionError) as error:
        raise ObjectFailed(fault, f"Failed to parse {what} as {shape.name}", "Message:", str(error)) from error


def _not_found(member: str, path: JsonPath, error: NotFound) -> ObjectFailed:
    return ObjectFailed("ClientError", f"ClientError: {member} {path.text} does not fit a record: {error}")
