"""Emits a loss after each epoch that is least for a rate of 0.1, a depth of 5 and the kernel rbf."""

import argparse
import math

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--depth", type=int, default=5)
parser.add_argument("--kernel", default="rbf")
parser.add_argument("--epochs", type=int, default=1)
given = parser.parse_known_args()[0]
best = (math.log10(given.rate) + 1) ** 2 + ((given.depth - 5) / 5) ** 2 + (given.kernel != "rbf")
for epoch in range(1, given.epochs + 1):
    print(f"loss={best + 1 / epoch:.6f}", flush=True)
