"""Encoders of every kind: the vectors of sequences alone and among others."""

import json
import sys

import torch

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.object2vec.network import Network, complete

torch.set_num_threads(1)
SMALL = {"enc0_max_seq_len": "9", "enc0_vocab_size": "20", "enc0_token_embedding_dim": "8", "enc_dim": "8"}
KINDS = {
    "hcnn": {"enc0_network": "hcnn"},
    "even": {"enc0_network": "hcnn", "enc0_cnn_filter_width": "4", "enc0_layers": "2"},
    "bilstm": {"enc0_network": "bilstm", "enc0_layers": "2", "tied_token_embedding_weight": "True"},
    "pooled": {"enc0_network": "pooled_embedding", "mlp_layers": "0"},
    "mixed": {"enc0_network": "bilstm", "enc1_network": "hcnn", "enc1_vocab_size": "7", "comparator_list": "concat"},
}


def tensors(sequences):
    longest = max(map(len, sequences))
    padded = [sequence + [0] * (longest - len(sequence)) for sequence in sequences]
    return torch.tensor(padded), torch.tensor([len(sequence) for sequence in sequences])


def difference(given):
    torch.manual_seed(0)
    network = Network(complete(catalogue.algorithm("object2vec").schema.read(SMALL | given))).eval()
    with torch.inference_mode():
        alone = network(tensors([[1, 2]]), tensors([[3]]))
        among = network(tensors([[4, 5, 6, 7, 8, 9], [1, 2]]), tensors([[1, 2, 3, 4], [3]]))
    return float((alone[0] - among[1]).abs().max())


sys.stdout.write(json.dumps({name: difference(given) for name, given in KINDS.items()}))
