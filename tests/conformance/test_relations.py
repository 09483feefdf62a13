"""What may be deleted before what: each reference between two kinds holds what it names in place, or is told not to."""

from typing import Any

from sagesmith.services.sagemaker.engine import Kind
from sagesmith.store import Document
from tests.conformance.checks import check
from tests.conformance.generate import Draw, Size
from tests.conformance.model import Params
from tests.conformance.subject import Resource, Subject

LETS_GO = {
    ("EndpointConfig", "Model"): "DeleteModel deletes the entry alone; endpoints have what they serve",
    ("Endpoint", "EndpointConfig"): "an endpoint has what it serves; DeleteEndpointConfig only warns of it",
    ("ModelPackage", "Algorithm"): "a package has a copy of how its algorithm infers",
    ("TransformJob", "Model"): "a job has what it serves",
    ("InferenceComponent", "Model"): "a component has what it serves, as an endpoint does",
    ("DataQualityJobDefinition", "Endpoint"): "a definition is of any time; what runs it looks for the endpoint",
    ("ModelQualityJobDefinition", "Endpoint"): "as of data quality",
    ("ModelBiasJobDefinition", "Endpoint"): "as of data quality",
    ("ModelExplainabilityJobDefinition", "Endpoint"): "as of data quality",
    ("InferenceExperiment", "Endpoint"): "the experiment of an endpoint that is deleted is Cancelled",
    ("InferenceExperiment", "Model"): "as of endpoint configurations",
    ("Domain", "AppImageConfig"): "DeleteAppImageConfig has no ResourceInUse among its errors",
    ("UserProfile", "AppImageConfig"): "as of domains",
    ("Space", "AppImageConfig"): "as of domains",
    ("Space", "StudioLifecycleConfig"): "DeleteStudioLifecycleConfig asks for domains and user profiles alone",
}
"""References that hold nothing: (who refers, to what) → why, each as it is at AWS."""


@check(examples=1)
def test_what_others_name_is_not_deleted_before_them(subject: Subject, draw: Draw) -> None:
    for path, target in subject.declared.holds.items():
        holder, document = holding(subject, draw, path, target)
        other, delete = subject.others(target.noun), subject.others(target.noun).operations.delete
        before = subject.platform.stored(holder.region)
        refused = subject.refusal(holder.region, delete, **other.identity(delete, of(document, target)))
        error = target.error(target.occupied, document.arn, document.name, subject.facts.noun)
        right = refused is not None and (refused.code, refused.message) == (error.code, error.message)
        subject.expect(right, f"{delete}: named by {path}", refused)
        assert subject.platform.stored(holder.region) == before
        subject.platform.remove(subject.platform.document(holder.region, subject.declared.id))
        assert subject.refusal(holder.region, delete, **other.identity(delete, of(document, target))) is None


@check(examples=1)
def test_what_refers_without_holding_lets_go(subject: Subject, draw: Draw) -> None:
    kind = subject.declared
    for path, target in kind.refers.items():
        if path in kind.holds or target is kind.parent or target in kind.holds.values():
            continue
        subject.expect((subject.facts.noun, target.noun) in LETS_GO, f"{path}: neither held nor told to be let go")
        holder, document = holding(subject, draw, path, target)
        delete = subject.others(target.noun).operations.delete
        identity = subject.others(target.noun).identity(delete, of(document, target))
        assert subject.refusal(holder.region, delete, **identity) is None
        assert subject.platform.document(holder.region, kind.id)


@check(examples=1)
def test_what_is_associated_is_not_deleted(subject: Subject, draw: Draw) -> None:
    if subject.facts.noun not in ("Action", "Artifact", "Context"):
        return
    region = subject.platform.new_region()
    one, other = (
        subject.create(draw, region, Size.MINIMAL),
        subject.others("TrialComponent").create(draw, region, Size.MINIMAL),
    )
    ends = (subject.arn(one, {}), subject.others("TrialComponent").arn(other, {}))
    delete = subject.operations.delete
    for source, destination in (ends, ends[::-1]):
        association = {"SourceArn": source, "DestinationArn": destination}
        subject.call(region, "AddAssociation", **association)
        before = subject.platform.stored(region)
        refused = subject.refusal(region, delete, **subject.identity(delete, one))
        subject.expect(refused is not None and refused.status == 400, f"{delete}: associated", refused)
        assert subject.platform.stored(region) == before
        subject.call(region, "DeleteAssociation", **association)
    subject.call(region, delete, **subject.identity(delete, one))


def holding(subject: Subject, draw: Draw, path: str, target: Kind) -> tuple[Resource, Document]:
    """A resource that names another at a path, and the other."""
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL)
    document = subject.platform.document(resource.region, subject.declared.id)
    there = subject.platform.documents(resource.region, target.id)
    if not there:
        subject.others(target.noun).create(draw, resource.region, Size.MINIMAL)
        there = subject.platform.documents(resource.region, target.id)
    other = there[0]
    by_name = path.rstrip("[]s").endswith("Name")
    body = with_value(document.body, path.split("."), other.name if by_name else other.arn)
    subject.platform.put(document, body=body, facets=subject.declared.facets(body))
    return resource, other


def with_value(value: Params | None, steps: list[str], leaf: Any) -> Any:
    """A structure with something at a path, as the only element of lists on the way."""
    if not steps:
        return leaf
    step = steps[0].removesuffix("[]")
    inner = (value or {}).get(step)
    if steps[0].endswith("[]"):
        first = inner[0] if inner and len(steps) > 1 else None
        return {**(value or {}), step: [with_value(first, steps[1:], leaf)]}
    return {**(value or {}), step: with_value(inner, steps[1:], leaf)}


def of(document: Document, kind: Kind) -> Resource:
    """A stored resource, as if it had been created by a request that named everything."""
    return Resource(document.region, document.body, {kind.arn_member: document.arn})
