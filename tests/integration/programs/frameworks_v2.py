"""A framework's estimator of the SageMaker SDK v2, whose script is in a git repository."""

import os
import subprocess
import time
from pathlib import Path

import sagemaker
from sagemaker.xgboost import XGBoost
from steps import step, take

session = sagemaker.Session()
REPOSITORY = Path.cwd() / "repository"
ADDRESS = "https://git.example.com/team/training.git"
SCRIPT = """
import argparse, helper, os, xgboost
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
with open(os.path.join(os.environ["SM_MODEL_DIR"], "seen.txt"), "w") as file:
    file.write(f"{xgboost.__version__} {parser.parse_args().depth} {helper.WORD}")
print("trained from git")
"""


def git(*words):
    subprocess.run(["git", "-C", str(REPOSITORY), *words], check=True, capture_output=True)


@step
def a_script_in_a_git_repository():
    (REPOSITORY / "code").mkdir(parents=True)
    (REPOSITORY / "code" / "train.py").write_text(SCRIPT)
    (REPOSITORY / "helper.py").write_text("WORD = 'a dependency'\n")
    git("init", "--quiet", "--initial-branch", "release")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "first")
    # git clones from here what the SDK asks for there.
    os.environ |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{REPOSITORY}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }
    estimator = XGBoost(
        entry_point="train.py",
        source_dir="code",
        dependencies=["helper.py"],
        git_config={"repo": ADDRESS, "branch": "release"},
        framework_version="3.0-5",
        instance_type="ml.m5.large",
        instance_count=1,
        role=sagemaker.get_execution_role(),
        hyperparameters={"depth": 3},
    )
    estimator.fit(wait=False)
    name = estimator.latest_training_job.name
    while (found := session.describe_training_job(name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.2)
    return {"status": found["TrainingJobStatus"], "failure": found.get("FailureReason"), "model": estimator.model_data}


take()
