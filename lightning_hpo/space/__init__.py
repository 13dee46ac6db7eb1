"""What may vary: parameters, and spaces of them."""

from lightning_hpo.space.parameters import Choice, Fixed, Float, Int, Parameter
from lightning_hpo.space.space import Space

__all__ = ["Choice", "Fixed", "Float", "Int", "Parameter", "Space"]
