"""The state of every random generator that a fit draws from, as data that a checkpoint can hold."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["random_state", "set_random_state"]


def random_state(trainer: Any) -> dict[str, Any]:
    """Python's, NumPy's and torch's generators, on every device, and those that training data are drawn with.

    Only plain data and tensors, so that it loads with `weights_only=True`.
    """
    import torch

    version, words, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)
    keys = numpy["state"]["key"].astype(np.int64)
    return {
        "python": [version, torch.tensor(words), gauss],
        "numpy": [torch.from_numpy(keys), numpy["state"]["pos"], numpy["has_gauss"], numpy["gauss"]],
        "torch": torch.get_rng_state(),
        "cuda": _states_of_cuda(),
        "data": [generator.get_state() for generator in _generators_of_data(trainer)],
    }


def set_random_state(state: dict[str, Any], trainer: Any) -> None:
    """The inverse of `random_state`. A trainer whose data have other generators keeps those as they are."""
    import torch

    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    keys, position, has_gauss, numpy_gauss = state["numpy"]
    words_of_numpy = {"key": keys.cpu().numpy().astype(np.uint32), "pos": position}
    np.random.set_state(  # the one generator that libraries draw from unless told otherwise
        {"bit_generator": "MT19937", "state": words_of_numpy, "has_gauss": has_gauss, "gauss": numpy_gauss}
    )
    torch.set_rng_state(state["torch"].cpu())
    if len(state["cuda"]) == torch.cuda.device_count() and state["cuda"]:
        torch.cuda.set_rng_state_all([each.cpu() for each in state["cuda"]])
    generators = list(_generators_of_data(trainer))
    if len(generators) == len(state["data"]):
        for generator, before in zip(generators, state["data"], strict=True):
            generator.set_state(before.cpu())


def _states_of_cuda() -> list[Any]:
    """One for each device that this process sees; none as long as it has used no device."""
    import torch

    used: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.cuda.get_rng_state_all() if used else []


def _generators_of_data(trainer: Any) -> Iterator[Any]:
    """The generators that the user gave to train loaders or their samplers, each once, in a fixed order."""
    import torch

    seen: set[int] = set()
    waiting = list(getattr(trainer.fit_loop._combined_loader, "flattened", []))
    while waiting:
        part = waiting.pop(0)
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, torch.Generator):
            yield part
        else:
            names = ("generator", "batch_sampler", "sampler")
            waiting += [held[name] for held in [getattr(part, "__dict__", {})] for name in names if name in held]
