from __future__ import annotations

import collections
import copy
import datetime
import enum
import functools
import logging
import pathlib
import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_hpo.training.fingerprint import fingerprint


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass
class Plain:
    value: Any = None
    other: Any = None


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def adder(amount: int) -> Any:
    return lambda value: value + amount


PAIRS = {
    "numbers": (1, 2),
    "a number and its text": (1, "1"),
    "a whole and a broken number": (1, 1.0),
    "truth": (True, 1),
    "lists": ([1, 2], [2, 1]),
    "nesting": ([[1], 2], [1, [2]]),
    "mappings": ({"a": 1}, {"a": 2}),
    "sets": ({1, 2}, {1, 3}),
    "tensors": (torch.ones(3), torch.zeros(3)),
    "shapes": (torch.ones(6), torch.ones(2, 3)),
    "types of tensors": (torch.ones(2), torch.ones(2, dtype=torch.float64)),
    "frozen parameters": (nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1), requires_grad=False)),
    "complex tensors": (torch.ones(2) + 0j, torch.ones(2) + 1j),
    "arrays": (np.ones(3), np.zeros(3)),
    "arrays of objects": (np.array([[1], "a"], object), np.array([[2], "a"], object)),
    "modules": (nn.Linear(2, 3), nn.Linear(3, 2)),
    "attributes of modules": (nn.Dropout(0.1), nn.Dropout(0.2)),
    "closures": (adder(1), adder(2)),
    "partials": (functools.partial(max, 1), functools.partial(max, 2)),
    "bound methods": (Plain(1).__eq__, Plain(2).__eq__),
    "slots": (Slotted(1), Slotted(2)),
    "enumerations": (Colour.RED, Colour.BLUE),
    "dates": (datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)),
    "paths": (pathlib.PurePosixPath("a"), pathlib.PurePosixPath("b")),
    "queues": (collections.deque([1]), collections.deque([2])),
    "torch's generators": (generator(1), generator(2)),
    "numpy's generators": (np.random.default_rng(1), np.random.default_rng(2)),
    "python's generators": (random.Random(1), random.Random(2)),
    "classes": (nn.ReLU, nn.Tanh),
    "objects without attributes": (nn.ReLU(), nn.Tanh()),
    "attributes of dictionaries": (collections.OrderedDict(a=1), {"a": 1}),
}


@pytest.mark.parametrize(("first", "second"), PAIRS.values(), ids=PAIRS)
def test_what_differs_reads_differently_and_a_copy_reads_alike(first: Any, second: Any):
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(copy.deepcopy(first)) == fingerprint(first)


@pytest.mark.parametrize(
    "make", [threading.Lock, object, lambda: logging.getLogger("a.b"), lambda: np, lambda: iter([])]
)
def test_what_cannot_be_looked_into_reads_alike(make: Any):
    assert fingerprint(Plain(make())) == fingerprint(Plain(make()))


def test_what_is_passed_over_does_not_count():
    skip = frozenset({"value"})
    assert fingerprint(Plain(1), passing_over=skip) == fingerprint(Plain(2), passing_over=skip)
    assert fingerprint(Plain(1, 1), passing_over=skip) != fingerprint(Plain(1, 2), passing_over=skip)


def test_lightnings_own_references_do_not_count():
    first, second = Plain(1), Plain(1)
    first._trainer, second._trainer = "one", "two"
    assert fingerprint(first) == fingerprint(second)


def test_the_order_of_a_set_does_not_count():
    assert fingerprint({"a", "b", "c"}) == fingerprint({"c", "b", "a"})


def test_the_same_object_twice_is_not_two_that_look_alike():
    one = [1]
    assert fingerprint([one, one]) != fingerprint([[1], [1]])


def test_cycles_end():
    one: list[Any] = [1]
    one.append(one)
    two: list[Any] = [2]
    two.append(two)
    assert fingerprint(one) != fingerprint(two)


def test_a_difference_behind_a_long_chain_is_seen():
    def chain(end: int) -> Plain:
        node = Plain(end)
        for _ in range(5000):  # deeper than Python's stack
            node = Plain(node)
        return node

    assert fingerprint(chain(1)) != fingerprint(chain(2))


def test_a_thicket_of_references_costs_no_more_than_its_size():
    nodes = [Plain() for _ in range(60)]
    for node in nodes:
        node.value = nodes  # every object leads to every other: 60 ** 12 paths of twelve steps
    before = time.monotonic()
    fingerprint(nodes)
    assert time.monotonic() - before < 5


def test_a_traced_graph_is_read():
    # torch.fx links its nodes in both directions.
    first, second = (torch.fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2), nn.Dropout(p))) for p in (0.1, 0.2))
    assert fingerprint(first) != fingerprint(second)


def test_of_a_large_array_a_sample_is_read():
    zeros = np.zeros(2**23, dtype=np.uint8)
    assert fingerprint(zeros) != fingerprint(zeros + 1)
    assert fingerprint(torch.from_numpy(zeros)) != fingerprint(torch.from_numpy(zeros + 1))


def test_tensors_without_plain_memory_are_told_by_shape():
    sparse = torch.eye(2).to_sparse()
    assert fingerprint(sparse) == fingerprint(torch.eye(2).to_sparse())
    assert fingerprint(torch.empty(2, device="meta")) != fingerprint(torch.empty(3, device="meta"))
