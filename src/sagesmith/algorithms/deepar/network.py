"""DeepAR's network: a recurrent one whose inputs are earlier values, and whose outputs are a distribution's parameters.

Beside it stands a linear forecast by the earlier values alone: the network tells how values differ from that, which is
little where series are smooth.

Sources: Salinas, Flunkert, Gasthaus, Januschowski: "DeepAR: Probabilistic forecasting with autoregressive recurrent
networks", International Journal of Forecasting 36 (2020), https://arxiv.org/abs/1704.04110; of the linear forecast
beside a network, Lai, Chang, Yang, Liu: "Modeling Long- and Short-Term Temporal Patterns with Deep Neural Networks",
SIGIR 2018; of one for many series, Montero-Manso and Hyndman: "Principles and algorithms for forecasting groups of time
series", International Journal of Forecasting 37 (2021).
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sagesmith.algorithms.deepar.likelihoods import LIKELIHOODS

State = tuple[Tensor, Tensor]
_LEAST_SPREAD = 1e-5


class Network(nn.Module):  # type: ignore[misc]
    """The network.

    Args:
        plan: `likelihood`, `num_layers`, `num_cells`, `dropout_rate`, `cardinality` (classes of each category),
            `embedding_dimension`, `inputs` (numbers that a step has, lags and observations and features), `lags` (how
            many of them are lags: the first).
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        super().__init__()
        self.likelihood = LIKELIHOODS[plan["likelihood"]]
        self.embeddings = nn.ModuleList(
            nn.Embedding(classes, plan["embedding_dimension"]) for classes in plan["cardinality"]
        )
        width = plan["inputs"] + len(self.embeddings) * plan["embedding_dimension"] + 2
        layers = plan["num_layers"]
        dropout = plan["dropout_rate"] if layers > 1 else 0.0
        self.cells = nn.LSTM(width, plan["num_cells"], layers, batch_first=True, dropout=dropout)
        self.out = nn.Linear(plan["num_cells"], self.likelihood.parameters)
        if self.likelihood.relative:
            nn.init.zeros_(self.out.weight)
        weights = torch.zeros(plan["lags"])
        weights[0] = 1.0
        # Of lagged values, and how far off that forecast is in all series. They are no parameters: the gradients of
        # some windows would let the forecasts of all others drift.
        self.register_buffer("linear", weights)
        self.register_buffer("usual", torch.tensor(1.0))

    def forecast(self, steps: Tensor) -> Tensor:
        """The linear forecast of each step, in units of the scale."""
        return steps[..., : len(self.linear)] @ self.linear

    def spreads(self, steps: Tensor, values: Tensor, observed: Tensor) -> Tensor:
        """How far off the linear forecast is in the context, of shape (series,).

        Args:
            values: in units of the scale.
        """
        off = ((values - self.forecast(steps)).abs() * observed).sum(1)
        return (((off + self.usual) / (observed.sum(1) + 1)).clamp(min=_LEAST_SPREAD)).detach()

    def forward(
        self, steps: Tensor, categories: Tensor, scales: Tensor, spreads: Tensor, state: State | None = None
    ) -> tuple[list[Tensor], State]:
        """The parameters of each step's distribution, in units of the scale, and where the network is afterwards.

        Args:
            steps: shape (series, steps, inputs).
            categories: shape (series, categories).
            scales, spreads: shape (series,).
        """
        static = [
            scales.log()[:, None],
            spreads.log()[:, None],
            *(each(categories[:, number]) for number, each in enumerate(self.embeddings)),
        ]
        alike = torch.cat(static, dim=1)[:, None].expand(-1, steps.shape[1], -1)
        hidden, state = self.cells(torch.cat([steps, alike], dim=2), state)
        parameters = self.likelihood.constrained(self.out(hidden))
        if self.likelihood.relative:
            parameters[0] = self.forecast(steps) + spreads[:, None] * parameters[0]
            if len(parameters) > 1:
                parameters[1] = spreads[:, None] * parameters[1]
        return parameters, state
