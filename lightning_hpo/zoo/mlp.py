"""A multi-layer perceptron."""

from __future__ import annotations

from typing import Any, Literal, get_args

from torch import nn

from lightning_hpo.space import Choice, Float, Int
from lightning_hpo.tunable import tunable
from lightning_hpo.zoo.classifier import Classifier
from lightning_hpo.zoo.settings import require, require_one_of

__all__ = ["Activation", "MLPClassifier"]

Activation = Literal["relu", "tanh", "gelu", "logistic"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "logistic": nn.Sigmoid,
}


@tunable(
    hidden=Int(16, 256, log=True),
    depth=Int(1, 3),
    dropout=Float(0.0, 0.5),
    batch_norm=Choice([False, True]),
    activation=Choice(list(get_args(Activation))),
    l1=Choice([0.0, 1e-5, 1e-4]),
)
class MLPClassifier(Classifier):
    """Fully connected layers, each followed by batch normalisation (if wanted), the activation and dropout.

    Edges:
        * `depth=0` is softmax regression.
        * `hidden_sizes` replaces `hidden` and `depth` where it is given; an empty list is `depth=0`.
        * Inputs of any shape are flattened, images as well.

    Args:
        hidden: The width of every hidden layer.
        depth: The number of hidden layers.
        dropout: The share of hidden units that a training step leaves out.
        batch_norm: Whether hidden layers are normalised, before the activation.
        activation: "relu", "tanh", "gelu" or "logistic".
        hidden_sizes: The width of each hidden layer, first to last.
        in_features: The number of values in one example.
        **training: As for `Classifier`.

    Raises:
        SettingError: If an argument is out of bounds.
    """

    def __init__(
        self,
        hidden: int = 64,
        depth: int = 1,
        dropout: float = 0.0,
        batch_norm: bool = False,
        activation: Activation = "relu",
        hidden_sizes: list[int] | None = None,
        in_features: int = 64,
        **training: Any,
    ) -> None:
        super().__init__(**training)
        require(hidden >= 1, "hidden", hidden, "1 or more")
        require(depth >= 0, "depth", depth, "0 or more")
        require(0 <= dropout < 1, "dropout", dropout, "0 <= dropout < 1")
        require(in_features >= 1, "in_features", in_features, "1 or more")
        require_one_of(tuple(_ACTIVATIONS), "activation", activation)
        sizes = [hidden] * depth if hidden_sizes is None else list(hidden_sizes)
        require(all(size >= 1 for size in sizes), "hidden_sizes", hidden_sizes, "sizes of 1 or more")
        layers: list[nn.Module] = [nn.Flatten()]
        for before, size in zip([in_features, *sizes], sizes):
            layers.append(nn.Linear(before, size))
            if batch_norm:
                layers.append(nn.BatchNorm1d(size))
            layers += [_ACTIVATIONS[activation](), nn.Dropout(dropout)]  # also at 0: one architecture for all rates
        last = sizes[-1] if sizes else in_features
        self.net = nn.Sequential(*layers, nn.Linear(last, self.hparams["num_classes"]))
