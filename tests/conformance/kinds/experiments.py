"""Experiments, trials, trial components."""

from hypothesis import strategies as st

from tests.conformance.facts import Facts

_BY_ASSOCIATION = "it selects by what AssociateTrialComponent has brought together, which tests of experiments show"

TRIAL = Facts(
    "Trial",
    exceptions={"ListTrials.TrialComponentName: say in `filters` what it selects by": _BY_ASSOCIATION},
)

TRIAL_COMPONENT = Facts(
    "TrialComponent",
    values={"Parameters{}": st.sampled_from([{"NumberValue": 0.5}, {"StringValue": "adam"}])},
    filters={"SourceArn": "Source.SourceArn"},
    exceptions={
        f"ListTrialComponents.{member}: say in `filters` what it selects by": _BY_ASSOCIATION
        for member in ("ExperimentName", "TrialName")
    },
)
