"""Experiments, trials and trial components as resources of the SageMaker SDK v3."""

import datetime
import os

from sagemaker.core.resources import Experiment, Trial, TrialComponent
from sagemaker.core.shapes import MetricQuery, RawMetricData, TrialComponentParameterValue, TrialComponentStatus
from steps import refusal, step, take

NAME = f"v3-{os.getpid()}"


def names(resources, member):
    return [getattr(each, member) for each in resources]


@step
def an_experiment():
    made = Experiment.create(experiment_name=NAME, description="first")
    before = (made.display_name, made.description)
    made.update(display_name="better", description="second")
    again = Experiment.get(experiment_name=NAME)
    return {
        "before": before,
        "after": (again.display_name, again.description),
        "listed": names(Experiment.get_all(), "experiment_name"),
        "name": NAME,
    }


@step
def a_component_in_a_trial():
    trial = Trial.create(trial_name=NAME, experiment_name=NAME)
    component = TrialComponent.create(
        trial_component_name=NAME,
        status=TrialComponentStatus(primary_status="InProgress"),
        parameters={"rate": TrialComponentParameterValue(number_value=0.5)},
    )
    component.associate_trail(trial_name=NAME)  # as the SDK spells it
    component.update(status=TrialComponentStatus(primary_status="Completed"), parameters_to_remove=["rate"])
    component.wait_for_status("Completed")
    return {
        "name": NAME,
        "experiment": trial.experiment_name,
        "parameters": component.parameters,
        "of_trial": names(TrialComponent.get_all(trial_name=NAME), "trial_component_name"),
        "of_component": names(Trial.get_all(trial_component_name=NAME), "trial_name"),
    }


@step
def its_metrics():
    component = TrialComponent.get(trial_component_name=NAME)
    now = datetime.datetime.now(datetime.UTC)
    component.batch_put_metrics(
        metric_data=[
            RawMetricData(metric_name="loss", timestamp=now, step=number, value=1.0 / number)
            for number in (1, 2, 3, 4)  # the SDK leaves a 0 out
        ]
    )
    query = MetricQuery(
        metric_name="loss",
        resource_arn=component.trial_component_arn,
        metric_stat="Min",
        period="IterationNumber",
        x_axis_type="IterationNumber",
    )
    (result,) = TrialComponent.batch_get_metrics(metric_queries=[query]).metric_query_results
    (summary,) = component.refresh().metrics
    return {"values": result.metric_values, "count": summary.count, "last": summary.last}


@step
def their_end():
    experiment, trial = Experiment.get(experiment_name=NAME), Trial.get(trial_name=NAME)
    component = TrialComponent.get(trial_component_name=NAME)
    in_use, gone = {}, {}
    with refusal(in_use):
        component.delete()
    component.disassociate_trail(trial_name=NAME)
    for each in (component, trial, experiment):
        each.delete()
    with refusal(gone):
        experiment.refresh()
    return {"in_use": in_use, "gone": gone}


take()
