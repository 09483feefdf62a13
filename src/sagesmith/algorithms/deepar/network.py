"""DeepAR's network: a recurrent one whose inputs are earlier values, and whose outputs are a distribution's parameters.

Source: Salinas, Flunkert, Gasthaus, Januschowski: "DeepAR: Probabilistic forecasting with autoregressive recurrent
networks", International Journal of Forecasting 36 (2020), https://arxiv.org/abs/1704.04110
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sagesmith.algorithms.deepar.likelihoods import LIKELIHOODS

State = tuple[Tensor, Tensor]


class Network(nn.Module):  # type: ignore[misc]
    """The network.

    Args:
        plan: `likelihood`, `num_layers`, `num_cells`, `dropout_rate`, `cardinality` (classes of each category),
            `embedding_dimension`, `inputs` (numbers that a step has, lags and observations and features).
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        super().__init__()
        self.likelihood = LIKELIHOODS[plan["likelihood"]]
        self.embeddings = nn.ModuleList(
            nn.Embedding(classes, plan["embedding_dimension"]) for classes in plan["cardinality"]
        )
        width = plan["inputs"] + len(self.embeddings) * plan["embedding_dimension"] + 1
        layers = plan["num_layers"]
        dropout = plan["dropout_rate"] if layers > 1 else 0.0
        self.cells = nn.LSTM(width, plan["num_cells"], layers, batch_first=True, dropout=dropout)
        self.out = nn.Linear(plan["num_cells"], self.likelihood.parameters)

    def forward(
        self, steps: Tensor, categories: Tensor, scales: Tensor, state: State | None = None
    ) -> tuple[list[Tensor], State]:
        """The parameters of each step's distribution, in units of the scale, and where the network is afterwards.

        Args:
            steps: shape (series, steps, inputs).
            categories: shape (series, categories).
            scales: shape (series,).
        """
        static = [scales.log()[:, None], *(each(categories[:, number]) for number, each in enumerate(self.embeddings))]
        alike = torch.cat(static, dim=1)[:, None].expand(-1, steps.shape[1], -1)
        hidden, state = self.cells(torch.cat([steps, alike], dim=2), state)
        return self.likelihood.constrained(self.out(hidden)), state
