"""A plain recurrent translator: `translation.py PAIRS SOURCES TARGETS EMBEDDED HIDDEN BATCH EPOCHS RATE`.

PAIRS is a JSON file of pairs of token lists to learn from, to choose the best epoch by, and to translate; the
translations are written as JSON. A bidirectional GRU, a GRU with dot attention over it, Adam, greedy search.
"""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

_BEGIN, _END, _LONGEST = 2, 3, 40


class Translator(nn.Module):  # type: ignore[misc]
    def __init__(self, sources: int, targets: int, embedded: int, hidden: int) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(sources, embedded), nn.Embedding(targets, embedded)
        self.encoder = nn.GRU(embedded, hidden // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(embedded, hidden, batch_first=True)
        self.combine, self.out = nn.Linear(2 * hidden, hidden), nn.Linear(hidden, targets)

    def encode(self, sources: list[torch.Tensor]) -> tuple[Any, Any, Any]:
        lengths = torch.tensor([len(each) for each in sources])
        packed = pack_padded_sequence(
            self.source(pad_sequence(sources, batch_first=True)), lengths, batch_first=True, enforce_sorted=False
        )
        states, last = self.encoder(packed)
        inside = torch.arange(int(lengths.max())) < lengths[:, None]
        return pad_packed_sequence(states, batch_first=True)[0], inside, torch.cat([last[0], last[1]], 1)[None]

    def forward(self, targets: Any, states: Any, inside: Any, hidden: Any) -> tuple[Any, Any]:
        found, hidden = self.decoder(self.target(targets), hidden)
        scores = (found @ states.transpose(1, 2)).masked_fill(~inside[:, None], -torch.inf)
        return self.out(torch.tanh(self.combine(torch.cat([found, scores.softmax(2) @ states], 2)))), hidden


def loss(model: Translator, pairs: list[Any]) -> Any:
    given = pad_sequence([torch.tensor([_BEGIN, *target]) for _, target in pairs], batch_first=True)
    wanted = pad_sequence([torch.tensor([*target, _END]) for _, target in pairs], batch_first=True, padding_value=-100)
    found, _ = model(given, *model.encode([torch.tensor(source) for source, _ in pairs]))
    return cross_entropy(found.flatten(0, 1), wanted.flatten())


@torch.inference_mode()  # type: ignore[untyped-decorator]
def translated(model: Translator, source: list[int]) -> list[int]:
    states, inside, hidden = model.encode([torch.tensor(source)])
    found = [_BEGIN]
    while found[-1] != _END and len(found) < _LONGEST:
        scores, hidden = model(torch.tensor([[found[-1]]]), states, inside, hidden)
        found.append(int(scores.argmax()))
    return [each for each in found[1:] if each != _END]


def main() -> None:
    train, validation, test = json.loads(Path(sys.argv[1]).read_text())
    sources, targets, embedded, hidden, batch, epochs = map(int, sys.argv[2:8])
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = Translator(sources, targets, embedded, hidden)
    optimizer = torch.optim.Adam(model.parameters(), float(sys.argv[8]))
    best, kept = float("inf"), model.state_dict()
    for _ in range(epochs):
        order = torch.randperm(len(train)).tolist()
        for start in range(0, len(order), batch):
            optimizer.zero_grad()
            loss(model, [train[number] for number in order[start : start + batch]]).backward()
            nn.utils.clip_grad_value_(model.parameters(), 1.0)
            optimizer.step()
        with torch.inference_mode():
            found = float(loss(model, validation))
        if found < best:
            best, kept = found, copy.deepcopy(model.state_dict())
    model.load_state_dict(kept)
    print(json.dumps([translated(model, source) for source, _ in test]))


if __name__ == "__main__":
    main()
