"""Beam search: the likeliest targets of some sources."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sagesmith.algorithms.seq2seq.network import Network


@dataclass(frozen=True, slots=True)
class Found:
    """A target.

    Attributes:
        tokens: without the signs of beginning and end.
        attention: for each of them, the weights of the source's tokens.
    """

    tokens: list[int]
    attention: list[list[float]]


@torch.inference_mode()  # type: ignore[untyped-decorator]
def beams(
    network: Network, tokens: Tensor, lengths: Tensor, *, beam: int, longest: int, begin: int, end: int
) -> list[Found]:
    """The likeliest target of each source, by the mean log probability of its tokens.

    Args:
        beam: how many are followed at a time.
        longest: tokens of a target.
        begin, end: the tokens that are these signs.
    """
    rows = len(tokens)
    each = torch.arange(rows).repeat_interleave(beam)
    memory = network.encode(tokens, lengths).rows(each)
    state = network.decoder.start(memory)
    scores = torch.full((rows, beam), -torch.inf)
    scores[:, 0] = 0
    ended = torch.zeros(rows, beam, dtype=torch.bool)
    sizes = torch.zeros(rows, beam)
    history = torch.full((rows, beam, 0), end)
    attention = torch.zeros(rows, beam, 0, tokens.shape[1])
    last = torch.full((rows * beam,), begin)
    first = (torch.arange(rows) * beam)[:, None]
    for _ in range(longest):
        chances, weights, state = network.step(last, state, memory)
        words = chances.shape[1]
        chances = chances.view(rows, beam, words)
        # What has ended stays as it is.
        stay = torch.full((words,), -torch.inf)
        stay[end] = 0
        chances = torch.where(ended[:, :, None], stay, chances)
        totals = scores[:, :, None] + chances
        lengths_then = torch.where(ended, sizes, sizes + 1)
        ranked = totals / lengths_then[:, :, None]
        chosen = ranked.view(rows, -1).topk(min(beam, beam * words), 1).indices
        parents, picked = chosen // words, chosen % words
        scores = totals.view(rows, -1).gather(1, chosen)
        sizes = lengths_then.gather(1, parents)
        ended = ended.gather(1, parents) | (picked == end)
        places = (first + parents).view(-1)
        state = tuple(part[places] for part in state)
        history = torch.cat([history.view(rows * beam, -1)[places].view(rows, beam, -1), picked[:, :, None]], 2)
        seen = torch.cat([attention.view(rows * beam, -1, tokens.shape[1]), weights[:, None]], 1)
        attention = seen[places].view(rows, beam, -1, tokens.shape[1])
        last = picked.view(-1)
        if ended.all():
            break
    best = (scores / sizes).argmax(1)
    return [
        _cut(history[row, best[row]].tolist(), attention[row, best[row]], int(lengths[row]), end) for row in range(rows)
    ]


def _cut(tokens: list[int], attention: Tensor, length: int, end: int) -> Found:
    size = tokens.index(end) if end in tokens else len(tokens)
    return Found(tokens[:size], attention[:size, :length].tolist())
