"""Ray Tune's own domains are taken wherever ours are, without loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ray import tune

from lightning_hpo.errors import SpaceError
from lightning_hpo.space import Choice, Float, Int, Parameter, Space
from lightning_hpo.space.foreign import from_ray, is_ray_domain
from lightning_hpo.tunable import space_of, tunable

DOMAINS: list[tuple[Any, Parameter]] = [
    (tune.uniform(-1, 2), Float(-1, 2)),
    (tune.loguniform(1e-4, 1e-1), Float(1e-4, 1e-1, log=True)),
    (tune.quniform(0.3, 0.9, 0.1), Float(0.3, 0.9, step=0.1)),
    (tune.qloguniform(0.1, 10, 0.1), Float(0.1, 10, log=True, step=0.1)),
    (tune.randint(1, 9), Int(1, 8)),  # Ray leaves the upper end out
    (tune.lograndint(1, 9), Int(1, 8, log=True)),
    (tune.qrandint(10, 50, 10), Int(10, 50, step=10)),  # … except where q > 1
    (tune.qrandint(1, 9, 1), Int(1, 8)),
    (tune.qrandint(5, 25, 10), Int(10, 20, step=10)),  # the multiples of 10 between 5 and 25
    (tune.qlograndint(8, 64, 8), Int(8, 64, log=True, step=8)),
    (tune.choice([[64, 32], None, {"a": 1}]), Choice([[64, 32], None, {"a": 1}])),
    (tune.grid_search([1, 2]), Choice([1, 2])),
]


@pytest.mark.parametrize(("domain", "parameter"), DOMAINS, ids=lambda value: type(value).__name__)
def test_a_domain_becomes_the_parameter_with_the_same_values(domain: Any, parameter: Parameter) -> None:
    assert is_ray_domain(domain)
    assert from_ray(domain) == parameter


@pytest.mark.parametrize(
    ("domain", "parameter"), [pair for pair in DOMAINS if not isinstance(pair[0], dict)], ids=lambda v: type(v).__name__
)
def test_what_ray_draws_from_a_domain_is_contained(domain: Any, parameter: Parameter) -> None:
    rng = np.random.default_rng(0)
    assert all(parameter.contains(domain.sample(random_state=rng)) for _ in range(200))


def test_every_value_of_a_quantised_domain_can_be_drawn_by_both() -> None:
    rng = np.random.default_rng(0)
    domain = tune.qrandint(5, 25, 10)
    assert {domain.sample(random_state=rng) for _ in range(200)} == {10, 20} == set(from_ray(domain).values() or ())


@pytest.mark.parametrize("domain", [tune.randn(0, 1), tune.qrandn(0, 1, 0.5), tune.sample_from(lambda: 3)])
def test_a_domain_without_bounds_is_refused(domain: Any) -> None:
    with pytest.raises(SpaceError, match=r"has no bounds or cannot be known beforehand. Expected tune.uniform, "):
        from_ray(domain)


def test_domains_stand_wherever_parameters_do() -> None:
    @tunable(lr=tune.loguniform(1e-4, 1e-1))
    class Model:
        def __init__(self, lr: float = 1e-3) -> None: ...

    assert space_of(Model) == Space({"lr": Float(1e-4, 1e-1, log=True)})
    assert Space({"kind": Choice({"a": {"n": tune.randint(0, 3)}})}) == Space({"kind": Choice({"a": {"n": Int(0, 2)}})})


@pytest.mark.parametrize("value", [Float(0, 1), 3, "x", {"float": [0, 1]}, {"grid_search": [1], "x": 2}, None])
def test_what_is_not_rays_is_not_taken_for_it(value: Any) -> None:
    assert not is_ray_domain(value)
