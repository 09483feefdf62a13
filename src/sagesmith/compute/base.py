"""What a task is, and what a backend does with it. The node agent and every backend share these types."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

TaskKind = Literal["train", "serve", "process", "transform", "load"]
TaskState = Literal[
    "Starting",
    "Downloading",
    "Training",
    "Processing",
    "Transforming",
    "Uploading",
    "Serving",
    "Invoking",
    "Completed",
    "Failed",
    "Stopped",
]
ENDED: frozenset[TaskState] = frozenset({"Completed", "Failed", "Stopped"})
MODEL_SERVER_GRACE_SECONDS = 30.0
"""What AWS gives a model server between SIGTERM and SIGKILL.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""


@dataclass(frozen=True, slots=True)
class S3Access:
    """How a process reaches an S3 endpoint. `ca_bundle` is a file of the certificates to trust, if it has TLS."""

    endpoint: str
    access_key_id: str
    secret_access_key: str
    region: str
    session_token: str | None = None
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class Channel:
    """One input channel of a training task; members as in the API's Channel shape.

    Attributes:
        name: its folder below /opt/ml/input/data; of a processing input the folder below /opt/ml/processing, which may
            have several parts.
        compression: `Gzip`: objects are decompressed on their way into a pipe.
        shuffle_seed: of ShuffleConfig, None if there is none.
        attribute_names: what a pipe gives of each line of an augmented manifest, in this order.
        hosts: who gets data, of the task's hosts; empty: all of them. Others do not see the channel (instance groups).
    """

    name: str
    s3_uri: str
    s3_data_type: str = "S3Prefix"
    distribution: str = "FullyReplicated"
    content_type: str | None = None
    input_mode: str = "File"
    record_wrapper: str = "None"
    compression: str = "None"
    shuffle_seed: int | None = None
    attribute_names: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What is fetched from `s3_uri` before user code starts, and kept in step with it afterwards.

    Attributes:
        local_path: a directory below /opt/ml, as user code sees it.
    """

    s3_uri: str
    local_path: str = "/opt/ml/checkpoints"


@dataclass(frozen=True, slots=True)
class TensorBoardOutput:
    """What user code writes below `local_path` goes to `s3_uri`, while it runs too.

    Attributes:
        local_path: a directory below /opt/ml, as user code sees it.
    """

    s3_uri: str
    local_path: str


@dataclass(frozen=True, slots=True)
class ProcessingOutput:
    """A folder of a processing task that goes to S3.

    Attributes:
        folder: relative to /opt/ml/processing; "." is that itself.
        s3_uri: the prefix that its files come under.
        continuous: whether they are uploaded while the program runs, or only at its end.
    """

    folder: str
    s3_uri: str
    continuous: bool = False


@dataclass(frozen=True, slots=True)
class Transform:
    """What a transform task sends to its model server, and what becomes of the answers; words as in the API.

    Attributes:
        run: names the job over all its attempts: an object that bears it need not be made again.
        started_at: when the job's first attempt began, in seconds since the epoch; None if this is the first.
        max_payload_mb: 0: objects are streamed whole. None: what the model server asks for, or 6.
        max_concurrent: None or 0: what the model server asks for, or 1.
        strategy: None: what the model server asks for, or MultiRecord.
        input_filter, output_filter: JSONPath expressions.
        capture_uri: the prefix for manifests of what was read and written; None if there are to be none.
        inference_ids: every record of the output is given an id and the time of the job.
    """

    run: str
    s3_uri: str
    output_uri: str
    s3_data_type: str = "S3Prefix"
    content_type: str | None = None
    compression: str = "None"
    split: str = "None"
    strategy: str | None = None
    accept: str | None = None
    assemble_with: str = "None"
    max_payload_mb: int | None = None
    max_concurrent: int | None = None
    timeout_seconds: int = 600
    max_retries: int = 3
    input_filter: str = "$"
    output_filter: str = "$"
    join_input: bool = False
    capture_uri: str | None = None
    capture_kms_key_id: str | None = None
    inference_ids: bool = False
    started_at: float | None = None


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a multi-model endpoint, which its model servers load when they are asked for.

    Attributes:
        s3_uri: what all of their URIs begin with, as the user gave it.
        cached: whether a model that was asked for stays loaded.
    """

    s3_uri: str
    cached: bool = True


@dataclass(frozen=True, slots=True)
class Load:
    """What a load task asks an endpoint, and how hard.

    Attributes:
        endpoint: its name.
        url: of the platform's front door, as `http://host:port`.
        payload_uri: a .tar.gz in S3 with a file for each request, which are sent in turn.
        content_types: what the requests are: a file is of the type that its name tells if that is here, else of the
            first.
        levels: one after the other: how many users ask at once, each waiting for its answer, for how many seconds.
    """

    endpoint: str
    url: str
    payload_uri: str
    content_types: list[str]
    levels: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class ModelContainer:
    """One of the containers of a model that has several: they run side by side on each instance.

    Attributes:
        name: its host name, unique within the model.
        environment: what it is told besides; wins over the specification's.
    """

    name: str
    image: str
    model_data: str | None = None
    code: str | None = None
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstanceGroup:
    """Some of a job's hosts, all of one type, under a name."""

    name: str
    instance_type: str
    hosts: list[str]


@dataclass(frozen=True, slots=True)
class Resources:
    """What a task may use of its node. None: whatever is there."""

    cpus: float | None = None
    memory_bytes: int | None = None
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    name: str
    regex: str


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """Everything a node needs to run one task, complete in itself: it may run on another machine.

    Attributes:
        id: unique over all time, safe as a file name, at most 40 characters; names attempt too.
        gang: names the tasks that are one attempt at one job, one a host: safe as a file name, at most 36 characters;
            empty for a task on its own.
        attempt: which attempt at its job this is, from 1.
        instance_type: of this host; another group of the job may have another.
        hosts: all hosts of the job, `algo-1` first, of which `host` is this task's.
        instance_groups: the hosts by group; empty if the job has no groups.
        label: shown in process names as `agent:<label>` and `job:<label>` (training, processing, transform) or
            `model:<label>` (serving).
        image: the image URI as the user gave it.
        command: what to run instead of the image's `train` or `serve`, empty for the image's own.
        arguments: what follows the command, be it the image's own or not.
        environment: the user's variables plus the platform's (`AWS_REGION`, `TRAINING_JOB_NAME`, credentials, proxy,
            CA bundle, …): complete, the agent adds only what depends on the sandbox.
        hyperparameters: exactly as sent by the user.
        model_data: S3 URI of the model artifact (serving, transform), None if there is none.
        models: what the model server loads at demand, in place of `model_data`; None if it serves one model.
        code: S3 URI of a source archive to unpack into /opt/ml/code before serving, None if there is none.
        containers: of a model that has several, in their order; each has its own image, model data, code and output,
            and `image`, `model_data` and `code` of the specification are not used.
        container: which of them an inner agent runs, for its outer one; empty for everybody else.
        output_uri: S3 prefix; artifacts go to `<output_uri>/<job name>/output/`.
        outputs: what a processing task uploads.
        configuration: content of a processing task's processingjobconfig.json.
        transform: what a transform task does; None for all others.
        load: what a load task does; None for all others.
        s3: for the agent's own transfers, never shown to user code.
        doors: the platform's TCP ports that user code may reach, as `host:port` in the spelling of `environment` (with
            `=host:port` after it where the node reaches one elsewhere): the
            front door and the proxy. Whatever else listens there is out of its reach.
        ca_bundle: a file to show inside the sandbox; variables that name it are given its place there. None if none.
        handover: where the agent leaves what it has told before it reports the end, an S3 URI in a bucket of the
            platform's own; None if the report outlives the task's node.
        startup_timeout_seconds: how long a model server may take until its first healthy /ping.
    """

    id: str
    kind: TaskKind
    label: str
    job_name: str
    job_arn: str
    image: str
    instance_type: str
    hosts: list[str]
    host: str
    s3: S3Access
    cache: str
    command: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    hyperparameters: dict[str, str] = field(default_factory=dict)
    channels: list[Channel] = field(default_factory=list)
    outputs: list[ProcessingOutput] = field(default_factory=list)
    configuration: dict[str, Any] = field(default_factory=dict)
    checkpoints: Checkpoints | None = None
    tensorboard: TensorBoardOutput | None = None
    metric_definitions: list[MetricDefinition] = field(default_factory=list)
    model_data: str | None = None
    code: str | None = None
    output_uri: str | None = None
    compress_output: bool = True
    kms_key_id: str | None = None
    network_isolation: bool = False
    max_runtime_seconds: float | None = None
    volume_size_bytes: int | None = None
    ca_bundle: str | None = None
    startup_timeout_seconds: float = 600.0
    gang: str = ""
    attempt: int = 1
    instance_groups: list[InstanceGroup] = field(default_factory=list)
    resources: Resources = field(default_factory=Resources)
    doors: list[str] = field(default_factory=list)
    transform: Transform | None = None
    models: Models | None = None
    load: Load | None = None
    handover: str | None = None
    containers: list[ModelContainer] = field(default_factory=list)
    container: str = ""

    @property
    def is_batch(self) -> bool:
        """Whether nobody waits for each of its answers: it gives way to what somebody waits for."""
        return self.kind != "serve"


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """One step in a task's life, durable before anybody hears of it.

    Attributes:
        time: seconds since the epoch.
        message: for people; becomes the StatusMessage of the secondary status transition.
        detail: on an end: `failure_reason`, `exit_code`, `model_artifacts` (S3 URI), `metrics`
            ([{MetricName, Value, Timestamp}]), `training_started_at`, `training_ended_at`; of a processing task
            `exit_message`, `processing_started_at`, `processing_ended_at`; on Serving: nothing.
    """

    sequence: int
    time: float
    state: TaskState
    message: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricSample:
    """Values of one metric that a task found within one second.

    Attributes:
        at: seconds since the epoch; of the host's own, its minute.
        of_host: it is the utilization of the task's host, in percent, and not what the program printed.
        container: whose it is, of a model that has several.
    """

    name: str
    at: int
    values: list[float]
    of_host: bool = False
    container: str = ""


class AgentLine(str):
    """A line of a task's output that the agent wrote, for a stream of its own: of a transform task the data log."""

    __slots__ = ()


class ContainerLine(str):
    """A line of a task's output that one of its several containers printed."""

    __slots__ = ("container",)

    container: str

    @classmethod
    def of(cls, container: str, line: str) -> Self:
        made = cls(line)
        made.container = container
        return made


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class TaskObservation:
    """What a backend sees of a task now.

    Attributes:
        alive: the node agent runs.
        events: all events so far, in order; empty if the agent has not written one yet.
        address: where the model server listens (`unix:/path`), for a serving task that is up; of a model with several
            containers the first one's, see `routes.container_address`.
        processes: what runs for it: the agent and the user's process.
        pending: what it waits for before its agent can begin, empty if it does not.
        containers: the names of its several containers, none if it has but one program.
    """

    id: str
    alive: bool
    events: list[TaskEvent]
    address: str | None = None
    processes: list[Process] = field(default_factory=list)
    pending: str = ""
    containers: Sequence[str] = ()

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1].state in ENDED

    @property
    def lost(self) -> bool:
        """The agent died without saying how it ended."""
        return not self.alive and not self.ended


class Backend(Protocol):
    """Starts tasks and finds them again. Every call is idempotent and may come after a crash of the caller.

    Thread safe. Raises OSError where the machine fails; everything that is the task's own fault becomes an event.
    """

    def start(self, specs: Sequence[TaskSpec]) -> None:
        """Start a gang, one node agent a specification, all or none; those that were ever started here are left alone.

        Raises:
            OSError: it could not be. Nothing of it runs then, unless a former call had started it.
        """
        ...

    def expect(self, spec: TaskSpec) -> None:
        """Be ready to start tasks like this one quickly, for a minute from now. A hint: nothing may come of it.

        Args:
            spec: of a task that may be wanted soon; its id means nothing.
        """
        ...

    def stop(self, task_id: str) -> None:
        """Ask the task to end: SIGTERM to the user's process, SIGKILL 120 s later; what it made is still uploaded.

        A model server is given `MODEL_SERVER_GRACE_SECONDS`.
        """
        ...

    def kill(self, task_id: str) -> None:
        """End the agent and everything below it, at once, and wait until it is gone."""
        ...

    def inspect(self, task_id: str) -> TaskObservation | None:
        """What is known of a task, None if it was never started here or was forgotten."""
        ...

    def tasks(self) -> list[TaskObservation]:
        """All tasks that are known here."""
        ...

    def watch(self, task_id: str, wake: Callable[[], None]) -> bool:
        """Have `wake` called once, in another thread, when the task prints, measures, reports or ends after this call.

        It means that it is worth looking, perhaps in vain. A second watch takes the first one's place.

        Returns:
            False: nobody tells, so that one has to look.
        """
        ...

    def read_log(self, task_id: str, offset: int, limit: int = 1 << 20) -> tuple[list[tuple[int, str]], int]:
        """Lines of the task's output from byte `offset` on: ([(timestamp_ms, line)], next offset). Only whole lines.

        Those that do not belong into the program's log stream are of the type `AgentLine` or `ContainerLine`.

        Who reads from an offset has stored what stands before it: the backend may remove that, after a while.

        Args:
            limit: bytes that are read at once, unless a line alone has more.
        """
        ...

    def read_metrics(self, task_id: str, offset: int, limit: int = 1 << 18) -> tuple[list[MetricSample], int]:
        """What the task has measured from byte `offset` of its file on: (samples, next offset)."""
        ...

    def forget(self, task_id: str) -> None:
        """Remove what an ended task left on the node."""
        ...
