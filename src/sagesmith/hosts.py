"""Hosts: which of AWS's names we answer for, and which of their services we provide; where user code comes from."""

import re

DOMAINS = (
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
    "sagemaker.aws",
)
"""The DNS suffixes of AWS's partitions (botocore's `partitions.json`), and Studio's."""

TASKS_SOURCE_ADDRESS = "127.0.0.2"
"""Where connections come from that a node agent of this machine makes to the platform for user code. Everybody else
comes from another address: so the proxy knows whom it must not let through to this machine's own ports."""

DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
"""A host's name, lower case (RFC 1123, section 2.1)."""

_SUFFIXES = tuple("." + domain for domain in DOMAINS)
_PROVIDED = re.compile(
    r"(?:application-autoscaling|sts|sns|sqs|iam|logs|monitoring|kms|s3|cloudtrail|api\.sagemaker|runtime\.sagemaker|metrics\.sagemaker|sagemaker|sagemaker-runtime)(?:-fips)?\..+"
)
_TELEMETRY = re.compile(r"(?:sm-pysdk-t|dev-exp-t)-[a-z0-9-]+\.s3\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")


def is_aws(host: str) -> bool:
    """Whether a host is in one of AWS's domains. `host` is lower case, without a port."""
    return host.endswith(_SUFFIXES) or host in DOMAINS


def is_telemetry(host: str | None) -> bool:
    """Whether a host is where the SageMaker SDKs report what their users call."""
    return host is not None and _TELEMETRY.fullmatch(host) is not None


def is_provided(host: str) -> bool:
    """Whether a host is an endpoint of a service that the platform has."""
    return _PROVIDED.fullmatch(host) is not None


def explain(host: str) -> str:
    """Why a request to an AWS host that we have nothing for is not answered."""
    return (
        f"Sagesmith answers in the place of AWS for {host} and has no service of that name. The request did not leave "
        "this machine: HTTPS_PROXY points at Sagesmith."
    )
