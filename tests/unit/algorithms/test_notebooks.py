"""Hyperparameters that AWS's example notebooks give, as they give them.

Source: https://github.com/aws/amazon-sagemaker-examples, introduction_to_amazon_algorithms and
introduction_to_applying_machine_learning.
"""

import pytest

from sagesmith.algorithms import catalogue

NOTEBOOKS: dict[str, tuple[str, dict[str, object]]] = {
    "factorization_machines_mnist": (
        "factorization_machines",
        {"feature_dim": 784, "predictor_type": "binary_classifier", "mini_batch_size": 200, "num_factors": 10},
    ),
    "deepar_synthetic": (
        "deepar",
        {
            "time_freq": "H",
            "context_length": "72",
            "prediction_length": "48",
            "num_cells": "40",
            "num_layers": "3",
            "likelihood": "gaussian",
            "epochs": "20",
            "mini_batch_size": "32",
            "learning_rate": "0.001",
            "dropout_rate": "0.05",
            "early_stopping_patience": "10",
        },
    ),
    "ipinsights-tutorial": (
        "ipinsights",
        {
            "num_entity_vectors": "20000",
            "random_negative_sampling_rate": "5",
            "vector_dim": "128",
            "mini_batch_size": "1000",
            "epochs": "5",
            "learning_rate": "0.01",
        },
    ),
    "random_cut_forest": (
        "randomcutforest",
        {"num_samples_per_tree": 200, "num_trees": 50, "feature_dim": 1},
    ),
    "blazingtext_word2vec_text8": (
        "blazingtext",
        {
            "mode": "batch_skipgram",
            "epochs": 5,
            "min_count": 5,
            "sampling_threshold": 0.0001,
            "learning_rate": 0.05,
            "window_size": 5,
            "vector_dim": 100,
            "negative_samples": 5,
            "batch_size": 11,
            "evaluation": True,
            "subwords": False,
        },
    ),
    "ntm_20newsgroups_topic_model": (
        "ntm",
        {
            "num_topics": 20,
            "feature_dim": 2000,
            "mini_batch_size": 128,
            "epochs": 100,
            "num_patience_epochs": 5,
            "tolerance": 0.001,
        },
    ),
    "object2vec_document_embedding": (
        "object2vec",
        {
            "_kvstore": "device",
            "_num_gpus": "auto",
            "_num_kv_servers": "auto",
            "bucket_width": 0,
            "dropout": 0.4,
            "early_stopping_patience": 2,
            "early_stopping_tolerance": 0.01,
            "enc0_layers": "auto",
            "enc0_max_seq_len": 50,
            "enc0_network": "pooled_embedding",
            "enc0_pretrained_embedding_file": "",
            "enc0_token_embedding_dim": 300,
            "enc0_vocab_size": 267522,
            "enc1_network": "enc0",
            "enc_dim": 300,
            "epochs": 20,
            "learning_rate": 0.01,
            "mini_batch_size": 512,
            "mlp_activation": "relu",
            "mlp_dim": 512,
            "mlp_layers": 2,
            "num_classes": 2,
            "optimizer": "adam",
            "output_layer": "softmax",
            "weight_decay": 0,
            "negative_sampling_rate": 3,
            "tied_token_embedding_weight": "true",
            "comparator_list": "hadamard",
            "token_embedding_storage_type": "row_sparse",
        },
    ),
}


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_what_a_notebook_gives_is_taken(notebook: str) -> None:
    name, given = NOTEBOOKS[notebook]
    # The SDK sends all of them as strings.
    values = catalogue.algorithm(name).schema.read({key: str(value) for key, value in given.items()})
    for key, value in given.items():
        if isinstance(value, bool | int | float) and not key.startswith("_"):
            assert values[key] == value
