"""Every resource class of the SageMaker SDK v3 whose operations are built, through all of its calls.

Which operations a call makes is read from the SDK's own source; `built.json` says which of them the platform has.
"""

import datetime
import functools
import inspect
import json
import re
from pathlib import Path

import boto3
from botocore.exceptions import ClientError
from life import NAME, Of
from resource_lives import LIVES
from sagemaker.core import resources
from sagemaker.core.shapes import MetricQuery, RawMetricData
from sagemaker.core.shapes import Tag as TagShape
from sagemaker.core.utils.utils import ResourceIterator
from steps import step, take

BUILT = set(json.loads(Path("built.json").read_text()))
CALLS = re.compile(r'client\.(\w+)\(|list_method="(\w+)"')
LATER = datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)
OPERATIONS = {
    method: operation
    for service in ("sagemaker", "sagemaker-metrics")
    for method, operation in boto3.client(service).meta.method_to_api_mapping.items()
}
made = {}
tried = set()
untried = []
failures = {}


def operations(method):
    """The operations that a method of a class calls."""
    function = inspect.unwrap(getattr(method, "__func__", method))
    return {OPERATIONS.get(one or other) for one, other in CALLS.findall(inspect.getsource(function))} - {None}


def calls_of(cls):
    """The methods of a class, as far as what they call is built."""
    methods = {name: method for name, method in vars(cls).items() if not name.startswith("_")}
    called = {name: operations(method) for name, method in methods.items() if inspect.isroutine(method)}
    return {name for name, operations in called.items() if operations and operations <= BUILT}


def filled(value):
    """A value of the table, with what earlier resources have put in."""
    if isinstance(value, Of):
        return getattr(made[value.noun], value.attribute)
    if isinstance(value, dict):
        return {key: filled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each) for each in value]
    return value() if callable(value) else value


def parameters(method):
    """The arguments of a method of a class, without the class."""
    given = inspect.signature(inspect.unwrap(method.__func__)).parameters
    return {name: each for name, each in given.items() if name != "cls"}


def required(method):
    return [name for name, each in parameters(method).items() if each.default is each.empty]


def taken(answer):
    """An answer, of an iterator all that it gives."""
    return list(answer) if isinstance(answer, ResourceIterator) else answer


def usual(argument):
    """Of an argument of `get_all` that every class has: a value that finds a resource, one that does not."""
    if argument.endswith("name_contains"):
        return NAME, "absent"
    if argument == "sort_order":
        return "Ascending", None
    return LATER if argument.endswith("_before") else None, LATER if argument.endswith("_after") else None


def attempt(call, function):
    """What a call returns; None if it fails, which is noted."""
    tried.add(call)
    try:
        return function()
    except Exception as error:
        failures[call] = f"{type(error).__name__}: {error}"[:1000]
        return None


def refused(function):
    """Make sure that what a call looks for is not there."""
    try:
        function()
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
            raise
    else:
        raise AssertionError("it is still there")


def differences(shown, given, where=""):
    """Where a resource does not show what it was given, as far as its classes have a place for it."""
    if isinstance(given, dict):
        shown = shown if isinstance(shown, dict) else vars(shown)
        inner = [differences(shown[name], value, f"{where}.{name}") for name, value in given.items() if name in shown]
        return [each for differing in inner for each in differing]
    if isinstance(given, list) and len(shown) == len(given):
        return [each for pair in zip(shown, given, strict=True) for each in differences(*pair, where)]
    return [] if shown == given else [f"{where} is {shown!r}"]


class Walk:
    """One class on its way from `create` to a `get` that is refused."""

    def __init__(self, life):
        self.life, self.noun = life, life.noun
        self.cls = getattr(resources, life.noun)
        self.calls = calls_of(self.cls)

    def attempt(self, call, function):
        return attempt(f"{self.noun}.{call}", function)

    def shows(self, resource, given):
        if lost := differences(resource, given):
            raise AssertionError(f"it does not show what it was given: {lost}")

    def settle(self, resource, call=""):
        if status := self.life.after.get(call, self.life.settled):
            resource.wait_for_status(status, poll=1, timeout=120)

    def identity(self, resource):
        """What tells a resource from others: `get`'s arguments, by the names of the attributes that hold them."""
        names = self.life.identity or {name: name for name in required(self.cls.get)}
        return {argument: getattr(resource, attribute) for argument, attribute in names.items()}

    def anew(self, resource):
        """The resource as it is now; of some kinds, `refresh` shows the version that was there."""
        return resource.refresh() if f"{self.noun}.get" in failures else self.cls.get(**self.identity(resource))

    def begin(self):
        """Make the resource, or find the one that the SDK failed to see, and see whether it is there as it should."""
        given, resource = filled(dict(self.life.given)), None
        create = "load" if "load" in self.calls else "create"
        if create in self.calls:
            resource = self.attempt(create, lambda: getattr(self.cls, create)(**given))
        if resource is None and self.life.instead:
            known = self.life.instead()
            found = self.attempt("get", lambda: self.cls.get(**known))
            resource = found or self.cls(**known)
        elif "get" in self.calls and resource is not None:
            self.attempt("get", lambda: self.cls.get(**self.identity(resource)))
        if resource is None:
            return
        made[self.noun] = resource
        self.attempt("refresh", lambda: (self.settle(resource), resource.refresh()))
        self.attempt("refresh (as created)", lambda: self.shows(resource, given))

    def live(self):
        """List, update, and whatever else can be done."""
        resource = made.get(self.noun)
        if "get_all" in self.calls:
            self.listed(resource)
        if resource is not None and "update" in self.calls:
            given = filled(dict(self.life.update))
            self.attempt("update", lambda: resource.update(**given))
            self.attempt("update (shown)", lambda: (self.settle(resource), self.shows(self.anew(resource), given)))
        for call, given in self.life.also.items():
            if call in self.calls or call == "wait":
                function = getattr(resource or self.cls, call)
                self.attempt(call, lambda function=function, given=given: taken(function(**filled(dict(given)))))
                self.attempt(call, lambda call=call: self.settle(resource, call))

    def listed(self, resource):
        """List without filters, then with each argument: one value that finds the resource, one that does not."""
        known = filled(dict(self.life.listed))

        def check(finds, **given):
            try:
                every = list(self.cls.get_all(**known, **given))
            except ClientError as error:
                # Who looks for what belongs to something is told if that is not there.
                if finds or error.response["Error"]["Code"] != "ResourceNotFound":
                    raise
                return
            if resource is None:
                return
            found = [self.identity(each) for each in every]
            if (self.identity(resource) in found) is not finds:
                raise AssertionError(f"{given} finds {found}")

        self.attempt("get_all", lambda: check(True))
        for argument in parameters(self.cls.get_all).keys() - {"session", "region", "sort_by", *known}:
            values = filled(list(self.life.filters.get(argument) or usual(argument)))
            for value, finds in zip(values, (True, False), strict=True):
                if value is not None:
                    self.attempt(f"get_all({argument})", functools.partial(check, finds, **{argument: value}))
            if values == [None, None]:
                untried.append(f"{self.noun}.get_all({argument})")

    def end(self):
        resource = made.get(self.noun)
        if resource is None or "delete" not in self.calls:
            return
        if self.life.ended is not None:
            self.life.ended()
        self.attempt("delete", lambda: resource.delete(**filled(dict(self.life.delete))))
        if hasattr(resource, "wait_for_delete"):
            self.attempt("wait_for_delete", lambda: resource.wait_for_delete(poll=1, timeout=60))
        self.attempt("refresh (deleted)", lambda: refused(resource.refresh))


def tags():
    arn = made["Experiment"].experiment_arn
    attempt("Tag.add_tags", lambda: resources.Tag.add_tags(resource_arn=arn, tags=[TagShape(key="a", value="b")]))
    attempt("Tag.get_all", lambda: list(resources.Tag.get_all(resource_arn=arn)))
    attempt("Tag.delete_tags", lambda: resources.Tag.delete_tags(resource_arn=arn, tag_keys=["a"]))


def associations():
    source, destination = made["Artifact"].artifact_arn, made["Action"].action_arn
    given = {"source_arn": source, "destination_arn": destination}
    attempt("Association.add", lambda: resources.Association.add(**given, association_type="ContributedTo"))
    for filters in ({}, given, {"association_type": "ContributedTo"}, {"created_before": LATER}):
        attempt("Association.get_all", lambda filters=filters: list(resources.Association.get_all(**filters)))
    attempt("Association.delete", lambda: resources.Association(**given).delete())


def metrics():
    component = made["TrialComponent"]
    now = datetime.datetime.now(datetime.UTC)
    data = [RawMetricData(metric_name="loss", timestamp=now, step=1, value=0.5)]
    attempt("TrialComponent.batch_put_metrics", lambda: component.batch_put_metrics(metric_data=data))
    query = MetricQuery(
        metric_name="loss",
        resource_arn=component.trial_component_arn,
        metric_stat="Min",
        period="IterationNumber",
        x_axis_type="IterationNumber",
    )
    attempt("TrialComponent.batch_get_metrics", lambda: component.batch_get_metrics(metric_queries=[query]))


def presigned_urls():
    content = {"hub_name": NAME, "hub_content_type": "Notebook", "hub_content_name": NAME}
    attempt("HubContentPresignedUrls.create", lambda: resources.HubContentPresignedUrls.create(**content))


def aliases():
    attempt("Image.get_all_aliases", lambda: list(made["Image"].get_all_aliases()))


def devices():
    attempt("DeviceFleet.deregister_devices", lambda: made["DeviceFleet"].deregister_devices(device_names=[NAME]))


def what_nobody_has_made():
    """Contents of the public hub, teams of vendors, policies of lineage groups."""
    public = "arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/m/1.0.0"
    reference = {"hub_name": NAME, "sage_maker_public_hub_content_arn": public}
    known = resources.HubContentReference(**reference, hub_content_name="m", hub_arn="h", hub_content_arn="c")
    of_type = {"hub_content_type": "ModelReference"}
    vendor = "arn:aws:sagemaker:us-east-1:394669845002:workteam/vendor-crowd/v"
    for call, function in {
        "HubContentReference.create": lambda: resources.HubContentReference.create(**reference),
        "HubContentReference.update": lambda: known.update(**of_type, min_version="1.0.0"),
        "HubContentReference.delete": lambda: known.delete(**of_type),
        "SubscribedWorkteam.get": lambda: resources.SubscribedWorkteam.get(workteam_arn=vendor),
        "SubscribedWorkteam.refresh": resources.SubscribedWorkteam(workteam_arn=vendor).refresh,
        "LineageGroup.get_policy": made["LineageGroup"].get_policy,
    }.items():
        attempt(call, functools.partial(refused, function))


def every_call():
    for noun, cls in vars(resources).items():
        if inspect.isclass(cls) and cls.__module__ == resources.__name__ and noun != "Base":
            yield from (f"{noun}.{call}" for call in calls_of(cls))


@step
def the_walk():
    walks = [Walk(life) for life in LIVES]
    for walk in walks:
        walk.begin()
        walk.live()
    for several in (tags, associations, metrics, presigned_urls, aliases, devices, what_nobody_has_made):
        several()
    for walk in reversed(walks):
        walk.end()
    return {"failures": failures, "untried": sorted({*every_call(), *untried} - tried), "made": sorted(made)}


take()
