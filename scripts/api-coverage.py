#!/usr/bin/env python3
"""Write docs/api-coverage.md: which operations are built, and which request members are refused or have no effect.

The README's counts of SageMaker's operations are written as well.

All of it is read from the operations' declarations and the API's models, but for the version that an operation is built
since: that is the one of the file as it is, or this version for an operation that was not built there. With `--check`,
only say whether the file is up to date.
"""

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from sagesmith import __version__
from sagesmith.config import DataDir
from sagesmith.credentials import KeyRing
from sagesmith.services import all_handlers
from sagesmith.services.base import Home
from sagesmith.services.sagemaker import KINDS, NOT_BUILT
from sagesmith.services.sagemaker.engine import Kind
from sagesmith.store import Store
from sagesmith.wire.models import load_model

TARGET = Path(__file__).parents[1] / "docs" / "api-coverage.md"
README = Path(__file__).parents[1] / "README.md"
COUNT = re.compile(r"\d+ of the \d+ operations of SageMaker's API")
ACCOUNT = "123456789012"
SERVICES = {
    "sagemaker": "Amazon SageMaker",
    "sagemaker-runtime": "Amazon SageMaker Runtime",
    "sagemaker-metrics": "Amazon SageMaker Metrics Service",
    "cloudtrail": "AWS CloudTrail",
    "sts": "AWS Security Token Service",
    "iam": "AWS Identity and Access Management",
    "cloudwatch": "Amazon CloudWatch",
    "logs": "Amazon CloudWatch Logs",
    "kms": "AWS Key Management Service",
}
VERBS = ("Create", "Describe", "Update", "Delete")
ROUTER = {"sagemaker-runtime": {"InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream"}}
"""What the front door answers itself, by service."""

HEAD = """# API coverage

Written by `scripts/api-coverage.py` from the operations' declarations and botocore's models.

An operation that is not built answers with HTTP 501, `NotImplementedException` and its name, before it looks at the
request. A **record** is kept, shown, listed and changed as at AWS, and nothing runs for it; what is **built** does
more. S3 is not listed: its requests are passed on to the object store.

Of a kind whose Create is not built, Describe and List are not built either. There is none of it, and an empty List
would be true; but who reads it would take the kind for one that is there.
"""
MEMBERS = """
## Members of requests

Every member of the inputs below that is not listed is honoured. What is refused is refused before anything is stored,
with an error that names the member; what has no effect is kept and shown by Describe.
"""
OTHERS = {
    "STS AssumeRole": {
        "Policy, PolicyArns, ProvidedContexts": "refused: session policies are not built",
        "SerialNumber, TokenCode": "refused: there are no MFA devices",
        "Tags, TransitiveTagKeys, ExternalId, MinimumSessionTokenSize": "without effect: no policy reads them",
    },
    "IAM SimulatePrincipalPolicy": {
        "PolicyInputList, PermissionsBoundaryPolicyInputList, PolicyExclusionList, ResourcePolicy": "refused: policies "
        "are not evaluated",
        "ContextEntries, CallerArn, ResourceOwner, ResourceHandlingOption": "without effect: everything is allowed",
    },
    "Logs CreateLogGroup": {"kmsKeyId, logGroupClass, deletionProtectionEnabled": "refused, but for their defaults"},
    "Logs DescribeLogGroups": {"includeLinkedAccounts": "without effect: there is one account"},
    "Logs FilterLogEvents, GetLogEvents": {"unmask, interleaved": "without effect: nothing is masked"},
    "Logs PutLogEvents": {"sequenceToken, entity": "without effect, the first at AWS as well"},
    "KMS CreateKey": {
        "KeyUsage, KeySpec, CustomerMasterKeySpec, Origin, MultiRegion, CustomKeyStoreId, XksKeyId": "refused, but for "
        "their defaults",
        "Policy, BypassPolicyLockoutSafetyCheck": "without effect: key policies are not evaluated",
    },
    "KMS, all operations": {"GrantTokens": "without effect: there are no grants", "Recipient": "refused: no enclaves"},
}
DIFFERENCES = """
## Where Sagesmith differs on purpose

* `DeleteEndpoint` works while an endpoint is `Creating` or `Updating`; at AWS, where it is refused with `Cannot update
  in-progress endpoint`, a model that never loads holds its endpoint for up to an hour.
* A variant has at most as many model servers as jobs may run at once (`SAGESMITH_MAX_JOBS`), whatever its instance
  count; `DescribeEndpoint` shows how many there are.
* What needs several machines or containers is refused by its number: a training job has one instance, a model one
  container. Model data are an archive (`S3Object` with `Gzip`) or a folder (`S3Prefix` with `None`).
* Role names need not exist: every role of the account stands for one that SageMaker may assume.
* The trial component of a training job shows the last value alone of the metrics that were found in its output.
* `BatchGetMetrics` counts `Start`, `End` and the x axis in seconds since the epoch, or in iterations; AWS's reference
  does not say in what.
* There is no limit on trials of an experiment, components of a trial, and metrics of a component.
* `DescribeHumanTaskUi` has no `Url`: a template lies in the database, and `RenderUiTemplate` shows it. Its `Errors`
  name variables that the input has not (`MissingVariable`) and what is wrong with a template (`InvalidTemplate`); AWS
  documents no codes.
* The client secret of a workforce's identity provider is not kept. A work team that a flow definition names cannot be
  deleted.
* `SageMakerPublicHub` is there and empty. Presigned URLs begin with `http:` where the front door's address does.
* The arguments of a pipeline's steps are checked against the operations' present inputs. AWS's own check knows fewer
  members, and its words are known for some errors only. A definition in S3 is read with the platform's right to the
  bucket, not the role's, and may have 1 MiB.
* A pipeline has a version more when the text of its definition changes, be it in spaces.
* A feature group is `Created` at once. It has no `OfflineStoreStatus`, no table in a data catalog is made or named, and
  no record can be put.
* The endpoint of a monitoring job definition must exist, but need not capture data. In Lists, the `EndpointName` of
  one for batch transforms is empty.
* An artifact is told from others by its source: the URI and the source types. Of lineage, AWS documents no words for
  what is in use or there already, and no defaults of `QueryLineage`: here they are its limits, a depth of 10 and pages
  of 50 vertices. It needs a `StartArns`, and returns the start like any other vertex that the filters accept.
* Artifacts, contexts and associations are made by hand: a training job makes its trial component alone, models and
  endpoints make no lineage. A lineage group is shared with nobody, so that it has no policy.
* No device sends a heartbeat: fleets and devices are what was registered, none is connected, and `IotRoleAlias` is what
  the ARN of the alias would be. `ListDevices` takes a fleet's whole name. A fleet with devices, or with a plan that
  deploys to it, cannot be deleted.
* No stage of an edge deployment plan is started, so that each is ready to deploy and may be deleted. A percentage of
  devices are the first by name. Packaging jobs that a plan names need not exist. Plans sorted by `DEVICE_FLEET_NAME`
  are sorted by their own name.
* The cluster of a cluster policy or a compute quota need not exist, and nothing is scheduled by them. `TargetVersion`
  is the version that is shown before the update. A team has one quota of a cluster. Quotas sorted by `ClusterArn` are
  sorted by name.
* No registry is asked for an image of Studio: a version is `CREATED` at once, and its `ContainerImage` is its
  `BaseImage`. `UpdateImageVersion` means the latest version if it names none; `DeleteImageVersion` must name one.
* What settings of domains, user profiles and spaces name must exist, but for images of other accounts, which stand for
  AWS's own. A custom image, or its version, that settings name cannot be deleted; its app image configuration can.
* A domain has no file system, and nothing answers at its `Url`.
* A project without a template is a record, and `CreateCompleted` at once; templates are not built. One that is deleted
  is gone, where AWS shows it as `DeleteCompleted` for a while.
* `DefaultFeatureGroupCatalog` comes with the first feature group of a region, and stays.
* The workload of an AI workload configuration is kept as text: nothing reads it, and it need not be YAML or JSON.
"""


def main() -> int:
    operations = built()
    files = {TARGET: "".join(page(operations)), README: counted(operations["sagemaker"])}
    if "--check" not in sys.argv[1:]:
        for file, text in files.items():
            file.write_text(text)
        return 0
    stale = [file.name for file, text in files.items() if not file.exists() or file.read_text() != text]
    for name in stale:
        sys.stderr.write(f"{name} is not up to date: run scripts/api-coverage.py\n")
    return 1 if stale else 0


def counted(operations: set[str]) -> str:
    """The README with the counts of now."""
    count = f"{len(operations)} of the {len(load_model('sagemaker').operations)} operations of SageMaker's API"
    text, found = COUNT.subn(count, README.read_text())
    if not found:
        raise SystemExit(f"{README.name} does not say how many operations are built: {count}")
    return text


def page(operations: Mapping[str, set[str]]) -> Iterator[str]:
    yield HEAD
    yield "\n| service | built | of |\n|---|---|---|\n"
    for service, title in SERVICES.items():
        yield f"| {title} | {len(operations[service])} | {len(load_model(service).operations)} |\n"
    yield from states(operations["sagemaker"])
    for service, title in SERVICES.items():
        if service == "sagemaker":
            continue
        missing = load_model(service).operations.keys() - operations[service]
        yield f"\n## {title}\n\n**Built:** {listed(operations[service])}\n\n**Not built:** {listed(missing)}\n"
    yield MEMBERS
    for kind in sorted(KINDS, key=lambda kind: kind.noun):
        yield from members(kind)
    yield "\n### Other services\n\n| operation | members | |\n|---|---|---|\n"
    for operation, rows in OTHERS.items():
        for names, state in rows.items():
            yield f"| {operation} | {', '.join(f'`{name}`' for name in names.split(', '))} | {state} |\n"
    yield DIFFERENCES


def states(operations: set[str]) -> Iterator[str]:
    """Every operation of SageMaker, whether it is built, and since when."""
    records = {f"{verb}{kind.noun}" for kind in KINDS if not kind.starts_as for verb in VERBS}
    records |= {operation for kind in KINDS if not kind.starts_as for operation in kind.listed_by}
    since = known_since()
    yield f"\n## {SERVICES['sagemaker']}\n\n| operation | state | since |\n|---|---|---|\n"
    for operation in sorted(load_model("sagemaker").operations):
        if operation in operations:
            state = "record" if operation in records else "built"
            yield f"| `{operation}` | {state} | {since.get(operation, __version__)} |\n"
        else:
            yield f"| `{operation}` | not built: {NOT_BUILT[operation]} | |\n"


def known_since() -> Mapping[str, str]:
    """The version that each operation is built since, as the file says."""
    text = TARGET.read_text() if TARGET.exists() else ""
    return dict(re.findall(r"^\| `(\w+)` \| (?:built|record) \| (\S+) \|$", text, re.MULTILINE))


def built() -> Mapping[str, set[str]]:
    """The operations that are built, by service."""
    with tempfile.TemporaryDirectory() as folder:
        directory = DataDir(Path(folder))
        keyring = KeyRing.create(directory.keys, ACCOUNT, None, None)
        store = Store.open(f"sqlite:///{directory.root / 'db.sqlite'}")
        try:
            home = cast(Home, SimpleNamespace(platform=SimpleNamespace(dir=directory), keyring=keyring, store=store))
            handlers = all_handlers(home)
        finally:
            store.close()
    return {service: set(handlers.get(service, ())) | ROUTER.get(service, set()) for service in SERVICES}


def listed(operations: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(operations)) or "none"


def members(kind: Kind) -> Iterator[str]:
    """What of a kind's Create input is refused, and what has no effect."""
    yield f"\n### Create{kind.noun}\n"
    if not kind.unbuilt and not kind.unserved and not kind.without_effect:
        yield "\nAll members are honoured.\n"
    for what, parts in (("refused", kind.unbuilt), ("kept, and refused by CreateEndpoint", kind.unserved)):
        if parts:
            yield f"\n| {what} | |\n|---|---|\n"
        for unbuilt in parts:
            values = f" ({', '.join(sorted(map(str, unbuilt.values)))})" if unbuilt.values else ""
            yield f"| `{unbuilt.path}`{values} | {unbuilt.feature} not built yet |\n"
    if kind.without_effect:
        yield "\n| without effect | |\n|---|---|\n"
        for path, why in kind.without_effect.items():
            yield f"| `{path}` | {why} |\n"


if __name__ == "__main__":
    sys.exit(main())
