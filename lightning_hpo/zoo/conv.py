"""A small convolutional network for small images."""

from __future__ import annotations

from typing import Any

from torch import nn

from lightning_hpo.space import Choice, Float
from lightning_hpo.tunable import tunable
from lightning_hpo.zoo.classifier import Classifier
from lightning_hpo.zoo.settings import require

__all__ = ["ConvClassifier"]


@tunable(channels=Choice([8, 16, 32, 64]), dropout=Float(0.0, 0.5))
class ConvClassifier(Classifier):
    """Three 3×3 convolutions with batch normalisation, halving the image twice and doubling the channels twice.

    The last feature maps are averaged over the image, so that any image of 4×4 or more will do: 8×8 digits and 28×28
    MNIST alike.

    Args:
        channels: Of the first convolution; the later ones have twice and four times as many.
        dropout: The share of the averaged features that a training step leaves out.
        in_channels: Of the images: 1 for grey, 3 for colour.
        **training: As for `Classifier`.

    Raises:
        SettingError: If an argument is out of bounds.
    """

    def __init__(self, channels: int = 16, dropout: float = 0.0, in_channels: int = 1, **training: Any) -> None:
        super().__init__(**training)
        require(channels >= 1, "channels", channels, "1 or more")
        require(0 <= dropout < 1, "dropout", dropout, "0 <= dropout < 1")
        require(in_channels >= 1, "in_channels", in_channels, "1 or more")
        self.net = nn.Sequential(
            *_block(in_channels, channels),
            nn.MaxPool2d(2),
            *_block(channels, 2 * channels),
            nn.MaxPool2d(2),
            *_block(2 * channels, 4 * channels),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(4 * channels, self.hparams["num_classes"]),
        )


def _block(before: int, after: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False)  # the normalisation has the bias
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]
