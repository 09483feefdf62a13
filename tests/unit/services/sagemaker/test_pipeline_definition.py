"""Which definitions of pipelines are valid, and what is said of those that are not."""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sagesmith.services.sagemaker import pipeline_definition
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

CLUSTER = {"InstanceType": {"Get": "Parameters.Instance"}, "InstanceCount": 1, "VolumeSizeInGB": 30}
PROCESS: Params = {
    "Name": "Process",
    "Type": "Processing",
    "Arguments": {
        "ProcessingResources": {"ClusterConfig": CLUSTER},
        "AppSpecification": {"ImageUri": "image", "ContainerArguments": ["--day", {"Get": "Execution.StartDateTime"}]},
        "RoleArn": "role",
    },
    "PropertyFiles": [{"PropertyFileName": "Report", "OutputName": "report", "FilePath": "report.json"}],
    "CacheConfig": {"Enabled": True, "ExpireAfter": "P1D"},
}
TRAIN: Params = {
    "Name": "Train",
    "Type": "Training",
    "Arguments": {
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "OutputDataConfig": {
            "S3OutputPath": {"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.Bucket"}]}}
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": {"Get": "Steps.Process.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"},
                    }
                },
            }
        ],
        "RoleArn": "role",
        "HyperParameters": {"depth": {"Get": "Parameters.Depth"}},
    },
    "RetryPolicies": [{"ExceptionType": ["Step.THROTTLING"], "BackoffRate": 2.0, "MaxAttempts": 3}],
}
AUC = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Process.PropertyFiles.Report"}, "Path": "auc"}}
NOTIFY: Params = {
    "Name": "Notify",
    "Type": "Lambda",
    "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f",
    "Arguments": {"model": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"}},
    "OutputParameters": [{"OutputName": "answer", "OutputType": "String"}],
}
STOP: Params = {
    "Name": "Stop",
    "Type": "Fail",
    "Arguments": {"ErrorMessage": {"Get": "Steps.Notify.OutputParameters['answer']"}},
}
DECIDE: Params = {
    "Name": "Decide",
    "Type": "Condition",
    "Arguments": {
        "Conditions": [
            {"Type": "GreaterThan", "LeftValue": AUC, "RightValue": 0.5},
            {"Type": "Not", "Condition": {"Type": "In", "QueryValue": {"Get": "Parameters.Bucket"}, "Values": ["a"]}},
            {"Type": "Or", "Conditions": [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}]},
        ],
        "IfSteps": [NOTIFY],
        "ElseSteps": [STOP],
    },
    "DependsOn": ["Train"],
}
PARAMETERS = [
    {"Name": "Instance", "Type": "String", "DefaultValue": "ml.m5.large", "EnumValues": ["ml.m5.large", "ml.c5.large"]},
    {"Name": "Bucket", "Type": "String"},
    {"Name": "Depth", "Type": "Integer", "DefaultValue": 5},
    {"Name": "Rate", "Type": "Float", "DefaultValue": 1},
    {"Name": "Quick", "Type": "Boolean", "DefaultValue": False},
]


def definition(**changes: Any) -> Params:
    """A definition in which every part has a use."""
    return {
        "Version": "2020-12-01",
        "Metadata": {"GeneratedBy": "hand"},
        "Parameters": PARAMETERS,
        "PipelineExperimentConfig": {
            "ExperimentName": {"Get": "Execution.PipelineName"},
            "TrialName": {"Get": "Execution.PipelineExecutionId"},
        },
        "Steps": [DECIDE, TRAIN, PROCESS],
        **changes,
    }


def wrong(document: Any) -> str:
    """What is said of a definition that is not valid."""
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises(ValidationException) as raised:
        pipeline_definition.check(text)
    prefix = "Unable to parse pipeline definition. "
    assert raised.value.message.startswith(prefix)
    return raised.value.message.removeprefix(prefix)


def with_arguments(step: Params, **arguments: Any) -> Params:
    return {**step, "Arguments": {**step["Arguments"], **arguments}}


def single(step: Params) -> Params:
    """A definition of one step of a table's tests."""
    return {"Version": "2020-12-01", "Parameters": PARAMETERS, "Steps": [step]}


def test_a_definition_in_which_every_part_has_a_use_is_valid() -> None:
    pipeline_definition.check(json.dumps(definition()))


def test_what_the_sdk_leaves_empty_may_be_null() -> None:
    pipeline_definition.check(json.dumps(definition(PipelineExperimentConfig=None, MlflowConfig=None, Metadata=None)))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("{", "Invalid JSON"),
        ("[]", "Expecting start of Json Object."),
        ('{"Version": "2020-12-01"}', "Missing required property 'Steps'."),
        ({"Steps": {}}, "Expecting start of Json Array."),
        ({"Steps": [], "Stages": []}, "Cannot parse object, unknown property 'Stages'."),
        ({"Steps": [], "Version": "2021-01-01"}, "Version '2021-01-01' is not supported: it must be 2020-12-01."),
        ({"Steps": [], "Parameters": {}}, "Expecting start of Json Array."),
        ({"Steps": [], "PipelineExperimentConfig": {"Name": "e"}}, "Cannot parse object, unknown property 'Name'."),
    ],
)
def test_a_document_of_another_form_is_none(document: Any, words: str) -> None:
    assert wrong(document).startswith(words)


def test_what_is_nested_too_deeply_is_none() -> None:
    condition = '{"Type": "Not", "Condition": ' * 1000 + "1" + "}" * 1000
    step = f'{{"Name": "c", "Type": "Condition", "Arguments": {{"Conditions": [{condition}]}}}}'
    assert wrong(f'{{"Steps": [{step}]}}') == "It is nested too deeply."
    assert wrong("[" * 100_000).startswith("Invalid JSON")


STRANGE: list[Any] = [None, True, 0, -1.5, "", "x", [], [None], {}, {"Get": None}, {"Std:Join": None}, [[]], [{}]]


def altered(value: Any, strange: Any) -> Iterator[Any]:
    """Copies of a value, in each of which one thing within it is something else."""
    yield strange
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: each} for each in altered(inner, strange))
        yield {**value, "Strange": strange}
    if isinstance(value, list):
        for position, inner in enumerate(value):
            yield from ([*value[:position], each, *value[position + 1 :]] for each in altered(inner, strange))
        yield [*value, strange]


@pytest.mark.parametrize("strange", STRANGE, ids=json.dumps)
def test_whatever_stands_wherever_in_a_definition_is_taken_or_refused(strange: Any) -> None:
    body = {**NOTIFY, "Name": "Each", "DependsOn": [{"Step": "Process", "Trigger": "Any"}]}
    whole = definition(Steps=[DECIDE, TRAIN, PROCESS, {**loop(body), "DependsOn": ["Train"]}])
    pipeline_definition.check(json.dumps(whole))
    for document in altered(whole, strange):
        with contextlib.suppress(ValidationException):
            pipeline_definition.check(json.dumps(document))


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"Type": "String"}, "Missing required property 'Name'."),
        ({"Name": "a b"}, "Parameter name 'a b' must satisfy regular expression pattern: "),
        ({"Name": "Rate", "Type": "Float"}, "Parameter names must be unique: 'Rate' is there more than once."),
        ({"Name": "p", "Type": "Date"}, "Parameter 'p' is of unknown type 'Date'"),
        ({"Name": "p", "Type": "Integer", "DefaultValue": "1"}, "Value '1' of parameter 'p' is not of type Integer."),
        ({"Name": "p", "Type": "Integer", "DefaultValue": True}, "Value 'True' of parameter 'p' is not of type"),
        ({"Name": "p", "Type": "Boolean", "DefaultValue": 0}, "Value '0' of parameter 'p' is not of type Boolean."),
        ({"Name": "p", "Type": "Float", "DefaultValue": "x"}, "Value 'x' of parameter 'p' is not of type Float."),
        (
            {"Name": "p", "DefaultValue": "c", "EnumValues": ["a", "b"]},
            "DefaultValue 'c' of parameter 'p' is not one of its EnumValues.",
        ),
        ({"Name": "p", "Values": []}, "Cannot parse object, unknown property 'Values'."),
    ],
)
def test_a_parameter_has_a_name_and_values_of_its_type(parameter: Params, words: str) -> None:
    assert wrong(definition(Parameters=[*PARAMETERS, parameter])).startswith(words)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("Train", "Expecting start of Json Object."),
        ({"Type": "Fail", "Arguments": {}}, "Missing required property 'Name'."),
        ({"Name": "s", "Arguments": {}}, "Missing required property 'Type'."),
        ({"Name": "s", "Type": "Dream", "Arguments": {}}, "Step 's' is of unknown type 'Dream'."),
        ({"Name": "s!", "Type": "Fail"}, "Step name 's!' must satisfy regular expression pattern: "),
        ({"Name": "s" * 65, "Type": "Fail"}, "Step name 'sss"),
        ({"Name": "s", "Type": "Fail"}, "Expecting start of Json Object."),
        ({"Name": "s", "Type": "Fail", "Arguments": {}}, "Missing required Argument member 'ErrorMessage'."),
        (
            {"Name": "s", "Type": "Fail", "Arguments": {"ErrorMessage": "m", "Code": 1}},
            "Unknown Argument member 'Code'.",
        ),
        (
            {"Name": "s", "Type": "Fail", "Arguments": {"ErrorMessage": "m"}, "CacheConfig": {}},
            "Cannot parse object, unknown property 'CacheConfig'.",
        ),
        ({"Name": "s", "Type": "Lambda", "Arguments": {}}, "Missing required property 'FunctionArn'."),
        ({"Name": "s", "Type": "Callback", "Arguments": {}}, "Missing required property 'SqsQueueUrl'."),
        ({**NOTIFY, "OutputParameters": [{"OutputName": "a"}]}, "Missing required property 'OutputType'."),
        ({**NOTIFY, "OutputParameters": [{"OutputName": "a", "OutputType": "Date"}]}, "OutputType 'Date' must be one"),
        ({"Name": "s", "Type": "QualityCheck", "Arguments": {}}, "Missing required property 'CheckType'."),
        (
            {"Name": "s", "Type": "EMR", "Arguments": {"ClusterId": "j"}},
            "Missing required Argument member 'StepConfig'",
        ),
        ({"Name": "s", "Type": "Condition", "Arguments": {}}, "Missing required Argument member 'Conditions'."),
        ({**PROCESS, "PropertyFiles": [{"PropertyFileName": "p"}]}, "Missing required property 'OutputName'."),
        ({**PROCESS, "RetryPolicies": [{"Times": 3}]}, "Cannot parse object, unknown property 'Times'."),
        ({**PROCESS, "DependsOn": "Train"}, "Expecting start of Json Array."),
        ({**NOTIFY, "Arguments": []}, "Expecting start of Json Object."),
    ],
)
def test_a_step_has_what_its_type_asks_for(step: Any, words: str) -> None:
    assert wrong(single(step)).startswith(words)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (with_arguments(TRAIN, Image="x"), "Unknown Argument member 'Image'."),
        (with_arguments(TRAIN, OutputDataConfig={"Path": "s3://b"}), "Unknown Argument member 'Path'."),
        (with_arguments(TRAIN, OutputDataConfig={}), "Missing required Argument member 'S3OutputPath'."),
        (with_arguments(TRAIN, OutputDataConfig="s3://b"), "Expecting start of Json Object."),
        (with_arguments(TRAIN, InputDataConfig={"Get": "Parameters.Bucket"}), "Expecting start of Json Array."),
        (with_arguments(TRAIN, HyperParameters=[]), "Expecting start of Json Object."),
        (with_arguments(TRAIN, RoleArn=["r"]), "Model Validation failed: 'RoleArn' must be a string or an expression."),
        (
            with_arguments(PROCESS, AppSpecification={"ImageUri": {"Value": 1}}),
            "Model Validation failed: 'ImageUri' must be a string or an expression.",
        ),
        (
            with_arguments(TRAIN, AlgorithmSpecification={"TrainingInputMode": "Slow"}),
            "Model Validation failed: Value 'Slow' for 'TrainingInputMode' failed to satisfy enum value set: "
            "[Pipe, File, FastFile]",
        ),
        (
            {"Name": "r", "Type": "RegisterModel", "Arguments": {"ModelPackageName": "m"}},
            "Unknown Argument member 'ModelPackageName'.",
        ),
        ({"Name": "t", "Type": "Training", "Arguments": {"RoleArn": "r"}}, "Missing required Argument member"),
    ],
)
def test_arguments_are_the_input_of_the_operation_that_the_step_calls(step: Params, words: str) -> None:
    assert wrong(definition(Steps=[PROCESS if step["Name"] != "Process" else TRAIN, step])).startswith(words)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"LeftValue": 1, "RightValue": 1}, "Missing required property 'Type'."),
        ({"Type": "Like", "LeftValue": 1, "RightValue": 1}, "Unknown condition type 'Like'."),
        ({"Type": "Equals", "LeftValue": 1}, "Missing required property 'RightValue'."),
        ({"Type": "Not", "Expression": {}}, "Cannot parse object, unknown property 'Expression'."),
        ({"Type": "Not", "Condition": {"Type": "Like"}}, "Unknown condition type 'Like'."),
        ({"Type": "In", "QueryValue": 1, "Values": 1}, "Expecting start of Json Array."),
        ({"Type": "Or", "Conditions": ["a"]}, "Expecting start of Json Object."),
    ],
)
def test_a_condition_has_what_its_type_asks_for(condition: Params, words: str) -> None:
    step = {"Name": "c", "Type": "Condition", "Arguments": {"Conditions": [condition]}}
    assert wrong(single(step)) == words


@pytest.mark.parametrize(
    "reference",
    [
        "Parameters.Missing",
        "Parameters",
        "Execution.Weather",
        "PipelineExperimentConfig.Name",
        "Elsewhere.X",
        "ForEach.CurrentItem",
        "Steps.Missing.ModelArtifacts",
        "Steps.Train",
        "Steps.Train.ModelArtefacts",
        "Steps.Train.ModelArtifacts.S3ModelArtefacts",
        "Steps.Train.ModelArtifacts.S3ModelArtifacts.Bucket",
        "Steps.Train.ModelArtifacts[",
        "Steps.Process.ProcessingOutputConfig.Outputs['train'].Uri",
        "Steps.Process.PropertyFiles.Other",
        "Steps.Process.PropertyFiles",
        "Steps.Decide.Result",
        "Steps.Stop.ErrorMessage",
        "Steps.Notify.OutputParameters['other']",
        "Steps.Notify.OutputParameters",
    ],
)
def test_a_reference_that_leads_nowhere_is_refused(reference: str) -> None:
    step = {**NOTIFY, "Name": "Last", "Arguments": {"value": {"Get": reference}}}
    words = f"Reference '{reference}' of step 'Last' cannot be resolved."
    assert wrong(definition(Steps=[DECIDE, TRAIN, PROCESS, step])) == words


@pytest.mark.parametrize(
    "reference",
    [
        "Parameters.Depth",
        "Execution.TrainingJobName",
        "PipelineExperimentConfig.TrialName",
        "Steps.Train.TrainingJobName",
        "Steps.Train.FinalMetricDataList['auc'].Value",
        "Steps.Train.InputDataConfig[0].DataSource.S3DataSource.S3Uri",
        "Steps.Train.HyperParameters['depth']",
        "Steps.Decide.Outcome",
        "Steps.Notify.OutputParameters['answer']",
    ],
)
def test_a_reference_to_what_will_be_there_is_accepted(reference: str) -> None:
    step = {**NOTIFY, "Name": "Last", "Arguments": {"value": {"Get": reference}}}
    pipeline_definition.check(json.dumps(definition(Steps=[DECIDE, TRAIN, PROCESS, step])))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ({"Get": 1}, "The value of Get must be a string."),
        ({"Std:Join": ["a"]}, "Expecting start of Json Object."),
        ({"Std:Join": {"On": "/"}}, "Missing required property 'Values'."),
        ({"Std:Join": {"On": "/", "Values": "a"}}, "Expecting start of Json Array."),
        ({"Std:Join": {"Values": [{"Get": "Parameters.None"}]}}, "Reference 'Parameters.None'"),
        ({"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Process.PropertyFiles.Report"}}}, "Missing required property"),
        ({"Std:JsonGet": {"Path": "auc"}}, "Std:JsonGet must have exactly one of PropertyFile and S3Uri."),
    ],
)
def test_a_function_has_its_arguments(expression: Params, words: str) -> None:
    step = {**NOTIFY, "Name": "Last", "Arguments": {"value": expression}}
    assert wrong(definition(Steps=[DECIDE, TRAIN, PROCESS, step])).startswith(words)


def test_names_of_steps_are_unique_in_branches_too() -> None:
    again = {**STOP, "Name": "Notify", "Arguments": {"ErrorMessage": "m"}}
    words = "Step names must be unique: 'Notify' is there more than once."
    assert wrong(definition(Steps=[DECIDE, TRAIN, PROCESS, again])) == words


def test_a_step_depends_on_one_that_exists() -> None:
    last = {**STOP, "Name": "Last", "DependsOn": ["Missing"]}
    words = "Step 'Last' depends on step 'Missing', which does not exist."
    assert wrong(definition(Steps=[DECIDE, TRAIN, PROCESS, last])) == words


def by_depends_on() -> Params:
    return definition(Steps=[DECIDE, TRAIN, {**PROCESS, "DependsOn": ["Decide"]}])


def by_itself() -> Params:
    return definition(Steps=[DECIDE, {**TRAIN, "DependsOn": ["Train"]}, PROCESS])


def by_a_condition_on_its_own_branch() -> Params:
    compared = {"Type": "Equals", "LeftValue": {"Get": "Steps.Notify.OutputParameters['answer']"}, "RightValue": "y"}
    return definition(Steps=[with_arguments(DECIDE, Conditions=[compared]), TRAIN, PROCESS])


@pytest.mark.parametrize("make", [by_depends_on, by_itself, by_a_condition_on_its_own_branch])
def test_steps_that_wait_for_each_other_are_refused(make: Callable[[], Params]) -> None:
    assert wrong(make()).startswith("Steps depend on each other in a cycle: ")


def loop(body: Params, at_once: Any = 2) -> Params:
    """A step that repeats another."""
    return {
        "Name": "Loop",
        "Type": "ForEach",
        "Arguments": {
            "IterableItems": {"Get": "Parameters.Bucket"},
            "MaxConcurrency": at_once,
            "Selector": {"Pick": "Max", "Field": {"Get": "IterationOutput.Each.OutputParameters['answer']"}},
            "ForEachBody": [body],
        },
    }


EACH = {**NOTIFY, "Name": "Each", "Arguments": {"value": {"Get": "ForEach.CurrentItem.name"}}}


def test_the_body_of_a_loop_refers_to_its_item_and_nothing_else_does() -> None:
    pipeline_definition.check(json.dumps(single(loop(EACH))))
    assert wrong(single(EACH)) == "Reference 'ForEach.CurrentItem.name' of step 'Each' cannot be resolved."


@pytest.mark.parametrize("at_once", [0, 51, "2", True])
def test_a_loop_says_how_many_steps_run_at_once(at_once: Any) -> None:
    assert wrong(single(loop(EACH, at_once))) == f"MaxConcurrency '{at_once}' must be an integer from 1 to 50."


def test_a_loop_does_not_repeat_loops_conditions_or_ends() -> None:
    stop = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "m"}}
    for body in (stop, loop(EACH), with_arguments(DECIDE, IfSteps=[], ElseSteps=[])):
        inner = {**body, "Name": "Inner"}
        words = f"Step 'Inner' of type '{body['Type']}' cannot be in a ForEach step."
        assert wrong(single(loop(inner))) == words


def test_a_step_waits_for_an_outcome() -> None:
    last = {**NOTIFY, "Name": "Last", "DependsOn": [{"Step": "Process", "Trigger": "Failed"}]}
    pipeline_definition.check(json.dumps(definition(Steps=[DECIDE, TRAIN, PROCESS, last])))
    late = {**last, "DependsOn": [{"Step": "Process", "Trigger": "Late"}]}
    words = "Trigger 'Late' must be one of [Completed, Failed, Stopped, Any]."
    assert wrong(definition(Steps=[DECIDE, TRAIN, PROCESS, late])) == words


def test_the_document_of_a_job_has_a_form_of_its_own() -> None:
    arguments = {
        "RoleArn": "role",
        "JobCategory": "AgentRFT",
        "JobConfigSchemaVersion": "1.0",
        "JobConfigDocument": {"Any": [{"Get": "Parameters.Depth"}]},
    }
    pipeline_definition.check(json.dumps(single({"Name": "j", "Type": "Job", "Arguments": arguments})))
