"""torchvision's ResNet-18, fitted to small images."""

from __future__ import annotations

from typing import Any

from torch import nn
from torchvision.models import resnet18

from lightning_hpo.space import Float
from lightning_hpo.tunable import tunable
from lightning_hpo.zoo.classifier import Classifier
from lightning_hpo.zoo.settings import require

__all__ = ["ResNetClassifier"]


@tunable(dropout=Float(0.0, 0.5))
class ResNetClassifier(Classifier):
    """ResNet-18 from random weights, with the stem for 32×32 images: one 3×3 convolution and no pooling.

    The stem of the original quarters the sides of an image before the first block, which leaves little of 32×32.

    Args:
        dropout: The share of the averaged features that a training step leaves out.
        in_channels: Of the images: 1 for grey, 3 for colour.
        **training: As for `Classifier`.

    Raises:
        SettingError: If an argument is out of bounds.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2015, section 4.2 for the stem.
    """

    def __init__(self, dropout: float = 0.0, in_channels: int = 3, **training: Any) -> None:
        super().__init__(**training)
        require(0 <= dropout < 1, "dropout", dropout, "0 <= dropout < 1")
        require(in_channels >= 1, "in_channels", in_channels, "1 or more")
        net = resnet18(weights=None, num_classes=self.hparams["num_classes"])
        net.conv1 = nn.Conv2d(in_channels, 64, kernel_size=3, stride=1, padding=1, bias=False)
        nn.init.kaiming_normal_(net.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision does its own
        net.maxpool = nn.Identity()
        net.fc = nn.Sequential(nn.Dropout(dropout), net.fc)
        self.net = net
