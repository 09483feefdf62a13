"""MLflow: a model in its own form, for `mlflow models serve`: `python mlflow_model.py DIRECTORY`."""

import os
import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    mlflow.sklearn.save_model(joblib.load(os.environ["MODEL"]), sys.argv[1])
