"""Networks of every kind: what they answer to a source alone and among others, and what a step of training changes."""

import json
import sys

import torch
from torch.nn.functional import cross_entropy

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.seq2seq.network import Network
from sagesmith.algorithms.seq2seq.search import beams

torch.set_num_threads(1)
SMALL = {"num_embed_source": "8", "num_embed_target": "8", "rnn_num_hidden": "16", "cnn_num_hidden": "16"}
KINDS = {
    "rnn": {},
    "cnn": {"encoder_type": "cnn", "decoder_type": "cnn", "num_layers_encoder": "2", "num_layers_decoder": "2"},
    "gru": {
        "rnn_cell_type": "gru",
        "num_layers_encoder": "3",
        "num_layers_decoder": "3",
        "rnn_residual_connections": "true",
        "rnn_attention_type": "bilinear",
        "rnn_decoder_state_init": "avg",
    },
    "upper": {"num_layers_decoder": "2", "rnn_attention_in_upper_layers": "false", "weight_init_type": "uniform"},
    "cnn to rnn": {"encoder_type": "cnn", "rnn_attention_type": "dot", "rnn_decoder_state_init": "zero"},
    "rnn to cnn": {"decoder_type": "cnn", "cnn_activation_type": "relu"},
    "fixed": {"rnn_attention_type": "fixed", "cnn_kernel_width_encoder": "4", "encoder_type": "cnn"},
}


def found(network, sources):
    longest = max(map(len, sources))
    tokens = torch.tensor([source + [0] * (longest - len(source)) for source in sources])
    lengths = torch.tensor([len(source) for source in sources])
    return beams(network, tokens, lengths, beam=3, longest=6, begin=2, end=3)


def seen(given):
    torch.manual_seed(0)
    values = catalogue.algorithm("seq2seq").schema.read(SMALL | {"weight_init_scale": "3"} | given)
    network = Network(values | {"source_words": 12, "target_words": 12})
    target = torch.tensor([[2, 5, 6], [2, 7, 4]])
    wanted = torch.tensor([[5, 6, 3], [7, 4, 3]])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        logits = network((torch.tensor([[4, 5, 6], [7, 8, 0]]), torch.tensor([3, 2])), target)
        loss = cross_entropy(logits.transpose(1, 2), wanted)
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    network.eval()
    alone, *_ = found(network, [[5, 9]])
    _, among, _ = found(network, [[4, 5, 6, 7, 8, 9, 10, 11], [5, 9], [4]])
    same = alone.tokens == among.tokens
    difference = (torch.tensor(alone.attention) - torch.tensor(among.attention)).abs().max() if same else 1
    return {"same": same, "difference": float(difference), "first": losses[0], "last": losses[-1]}


sys.stdout.write(json.dumps({name: seen(given) for name, given in KINDS.items()}))
