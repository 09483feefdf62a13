"""A scikit-learn script for a SageMaker training job, and the code that loads its model into an endpoint."""

import argparse
import os
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier


def model_fn(model_dir):
    return joblib.load(Path(model_dir, "model.joblib"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--n_estimators", type=int, default=100)
    parser.add_argument("--max_depth", type=int, default=None)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
    arguments = parser.parse_args()

    data = pd.read_csv(Path(arguments.train, "train.csv"))
    labels, features = data["benign"], data.drop(columns="benign")
    model = RandomForestClassifier(
        n_estimators=arguments.n_estimators, max_depth=arguments.max_depth, oob_score=True, random_state=0
    )
    model.fit(features.values, labels.values)
    print(f"rows: {len(data)}, out-of-bag accuracy: {model.oob_score_:.4f};")
    joblib.dump(model, Path(arguments.model_dir, "model.joblib"))
