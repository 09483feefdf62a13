"""Batch transform jobs."""

from hypothesis import strategies as st

from tests.conformance.facts import Facts

_FILTERS = st.sampled_from(["$", "$[1:]", "$[0,-1]"])

TRANSFORM_JOB = Facts(
    "TransformJob",
    needs={
        "ExperimentConfig.ExperimentName": "Experiment",
        "ExperimentConfig.TrialName": "Trial",
        "ExperimentConfig.RunName": "TrialComponent",
    },
    values={
        "TransformInput.DataSource.S3DataSource.S3DataType": st.sampled_from(["S3Prefix", "ManifestFile"]),
        "TransformInput.DataSource.S3DataSource.S3Uri": "s3://bucket/in/",
        "TransformInput.ContentType": "text/csv",
        "TransformOutput.S3OutputPath": "s3://bucket/out",
        "TransformOutput.Accept": "text/csv",
        "TransformResources.InstanceCount": 1,
        "MaxPayloadInMB": st.integers(1, 20),
        "MaxConcurrentTransforms": st.integers(0, 5),
        "DataProcessing.InputFilter": _FILTERS,
        "DataProcessing.OutputFilter": _FILTERS,
    },
    always=frozenset({"TransformInput.ContentType"}),
    lives=True,
    exceptions={
        "DescribeTransformJob: missing is not ResourceNotFound": "the model has ResourceNotFound, AWS answers "
        "ValidationException: Could not find requested job with name.",
    },
)
