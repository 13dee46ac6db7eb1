"""What may vary: parameters, and spaces of them."""

from lightning_hpo.space.choices import Choice, Fixed
from lightning_hpo.space.parameter import Parameter
from lightning_hpo.space.ranges import Float, Int
from lightning_hpo.space.space import Space

__all__ = ["Choice", "Fixed", "Float", "Int", "Parameter", "Space"]
