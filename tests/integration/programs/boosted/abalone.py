"""A script for XGBoost as the SDK's documentation has it: trains on all hosts, serves what the first one saved."""

import argparse
import json
import os
import pickle as pkl

import xgboost as xgb
from sagemaker_containers import entry_point
from sagemaker_xgboost_container import distributed
from sagemaker_xgboost_container.data_utils import get_dmatrix


def _xgb_train(params, dtrain, evals, num_boost_round, model_dir, is_master):
    booster = xgb.train(params=params, dtrain=dtrain, evals=evals, num_boost_round=num_boost_round)
    print(f"{dtrain.num_row()} rows of {dtrain.num_col()} here, master: {is_master}", flush=True)
    if is_master:
        with open(os.path.join(model_dir, "xgboost-model"), "wb") as file:
            pkl.dump(booster, file)


def model_fn(model_dir):
    with open(os.path.join(model_dir, "xgboost-model"), "rb") as file:
        return pkl.load(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--content_type", default="libsvm")
    args = parser.parse_args()
    hosts, host = json.loads(os.environ["SM_HOSTS"]), os.environ["SM_CURRENT_HOST"]
    dtrain = get_dmatrix(os.environ["SM_CHANNEL_TRAIN"], args.content_type)
    train = {
        # The hosts of a test share this machine's cores, and OpenMP's threads wait for each other busily.
        "params": {"max_depth": 6, "eta": 0.8, "objective": "reg:squarederror", "nthread": 1},
        "dtrain": dtrain,
        "evals": [(dtrain, "train")],
        "num_boost_round": 5,
        "model_dir": os.environ["SM_MODEL_DIR"],
    }
    if len(hosts) > 1:
        entry_point._wait_hostname_resolution()
        distributed.rabit_run(
            exec_fun=_xgb_train,
            args=train,
            include_in_training=(dtrain is not None),
            hosts=hosts,
            current_host=host,
            update_rabit_args=True,
        )
    else:
        _xgb_train(**train, is_master=True)
