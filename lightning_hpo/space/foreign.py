"""Ray Tune's own domains, read by their shape so that this floor need not import Ray.

Bounds: Ray's integer ranges leave the upper bound out, except quantised ones with q > 1; its quantised ranges hold
the multiples of q. Source: ray/tune/search/sample.py of Ray 2.50 to 2.60.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lightning_hpo.errors import SpaceError
from lightning_hpo.space.choices import Choice
from lightning_hpo.space.parameter import Parameter
from lightning_hpo.space.ranges import Float, Int

__all__ = ["from_ray", "is_ray_domain"]


def is_ray_domain(value: object) -> bool:
    """Whether the value is a Ray Tune search domain or a `tune.grid_search` dict."""
    if isinstance(value, Mapping):
        return set(value) == {"grid_search"}
    return any(
        base.__module__ == "ray.tune.search.sample" and base.__name__ == "Domain" for base in type(value).__mro__
    )


def from_ray(domain: Any) -> Parameter:
    """The parameter with the same values and the same distribution.

    Raises:
        SpaceError: For `tune.randn`, which has no bounds, and `tune.sample_from`, whose values cannot be known.
    """
    if isinstance(domain, Mapping):
        return Choice(domain["grid_search"])
    kind = type(domain).__name__
    if kind == "Categorical":
        return Choice(list(domain.categories))
    sampler: Any = getattr(domain, "sampler", None)
    step = None
    if type(sampler).__name__ == "Quantized":
        step, sampler = sampler.q, sampler.sampler
    law = type(sampler).__name__.lstrip("_") if sampler is not None else "Uniform"
    if kind not in ("Float", "Integer") or law not in ("Uniform", "LogUniform"):
        raise SpaceError(
            f"Ray's {domain.domain_str if hasattr(domain, 'domain_str') else kind} ({kind}, {law}) has no bounds or "
            "cannot be known beforehand. Expected tune.uniform, loguniform, randint, lograndint, their quantised "
            "forms, choice or grid_search; for a normal law give a Float that holds what you believe possible."
        )
    log = law == "LogUniform"
    if kind == "Float":
        if step is None:
            return Float(domain.lower, domain.upper, log=log)
        # Ray insists on bounds that are multiples of the step; they are kept as they were written, since k * step may
        # differ from them in the last digit.
        low, high = float(domain.lower), float(domain.upper)
        return Float(low, high, log=log, step=step if high > low else None)
    step = int(step or 1)
    if step == 1:
        return Int(domain.lower, domain.upper - 1, log=log)
    low, high = math.ceil(domain.lower / step) * step, math.floor(domain.upper / step) * step
    return Int(low, high, log=log, step=step if high > low else 1)
