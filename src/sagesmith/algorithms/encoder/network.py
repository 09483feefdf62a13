"""The encoder, a BERT, and the classification layer on top of it.

Sources:
    Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, arXiv:1810.04805
    Wang et al., MiniLM: Deep Self-Attention Distillation, arXiv:2002.10957
    Reimers and Gurevych, Sentence-BERT, arXiv:1908.10084: the mean over tokens as a text's embedding
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention


@dataclass(frozen=True, slots=True)
class Size:
    """An encoder's size, by the names of its `config.json`."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_dropout_prob: float

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Size":
        """
        Raises:
            KeyError: the configuration is another network's.
        """
        return cls(**{name: config[name] for name in cls.__dataclass_fields__})


class Layer(nn.Module):  # type: ignore[misc]
    """A layer of the transformer."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        wide = size.hidden_size
        self.heads, self.dropout = size.num_attention_heads, size.hidden_dropout_prob
        self.query, self.key, self.value = nn.Linear(wide, wide), nn.Linear(wide, wide), nn.Linear(wide, wide)
        self.attended = nn.Linear(wide, wide)
        self.attended_norm = nn.LayerNorm(wide, size.layer_norm_eps)
        self.inner, self.outer = nn.Linear(wide, size.intermediate_size), nn.Linear(size.intermediate_size, wide)
        self.outer_norm = nn.LayerNorm(wide, size.layer_norm_eps)
        self.drop = nn.Dropout(size.hidden_dropout_prob)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """
        Args:
            tokens: of shape (texts, tokens, hidden).
            mask: which tokens there are, of shape (texts, 1, 1, tokens).
        """
        texts, length, wide = tokens.shape

        def split(values: Tensor) -> Tensor:
            return values.view(texts, length, self.heads, -1).transpose(1, 2)

        dropout = self.dropout if self.training else 0.0
        query, key, value = split(self.query(tokens)), split(self.key(tokens)), split(self.value(tokens))
        seen = scaled_dot_product_attention(query, key, value, mask, dropout)
        seen = seen.transpose(1, 2).reshape(texts, length, wide)
        tokens = self.attended_norm(tokens + self.drop(self.attended(seen)))
        return self.outer_norm(tokens + self.drop(self.outer(gelu(self.inner(tokens)))))


class Encoder(nn.Module):  # type: ignore[misc]
    """From tokens to a text's embedding, the mean of those of its tokens."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.words = nn.Embedding(size.vocab_size, size.hidden_size)
        self.places = nn.Embedding(size.max_position_embeddings, size.hidden_size)
        self.kinds = nn.Embedding(size.type_vocab_size, size.hidden_size)
        self.norm = nn.LayerNorm(size.hidden_size, size.layer_norm_eps)
        self.drop = nn.Dropout(size.hidden_dropout_prob)
        self.layers = nn.ModuleList(Layer(size) for _ in range(size.num_hidden_layers))

    def forward(self, tokens: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """
        Args:
            tokens, kinds: of each token its number, and of which sentence it is; of shape (texts, tokens).
            mask: True for those that there are.

        Returns:
            The embeddings, of shape (texts, hidden).
        """
        length = tokens.shape[1]
        hidden = self.words(tokens) + self.kinds(kinds) + self.places.weight[:length]
        hidden = self.drop(self.norm(hidden))
        for layer in self.layers:
            hidden = layer(hidden, mask[:, None, None, :])
        there = mask[:, :, None].to(hidden.dtype)
        return (hidden * there).sum(1) / there.sum(1)


class Classifier(nn.Module):  # type: ignore[misc]
    """An encoder and the classification layer."""

    def __init__(self, encoder: Encoder, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        self.top = nn.Linear(hidden, classes)
        nn.init.xavier_uniform_(self.top.weight)
        nn.init.zeros_(self.top.bias)

    def forward(self, tokens: Tensor, kinds: Tensor, mask: Tensor) -> Tensor:
        """The logits, of shape (texts, classes)."""
        return self.classify(self.encoder(tokens, kinds, mask))

    def classify(self, embeddings: Tensor) -> Tensor:
        """The logits of texts with these embeddings."""
        return self.top(self.dropout(embeddings))


def pretrained(folder: Path) -> tuple[Encoder, dict[str, Any]]:
    """The encoder that a package has in Hugging Face's form, and its configuration."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    encoder = Encoder(Size.of(config))
    given = load_file(folder / "model.safetensors")
    encoder.load_state_dict({name: given[_theirs(name)] for name in encoder.state_dict()})
    return encoder, config


_LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "attended_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "outer_norm": "output.LayerNorm",
}
_EMBEDDINGS = {
    "words": "word_embeddings",
    "places": "position_embeddings",
    "kinds": "token_type_embeddings",
    "norm": "LayerNorm",
}


def _theirs(name: str) -> str:
    """Hugging Face's name of a weight of `Encoder`."""
    first, _, rest = name.partition(".")
    if first in _EMBEDDINGS:
        return f"embeddings.{_EMBEDDINGS[first]}.{rest}"
    number, part, kind = rest.split(".")
    return f"encoder.layer.{number}.{_LAYER[part]}.{kind}"
