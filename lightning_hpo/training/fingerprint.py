"""What an object is made of, as a string: two builds with different arguments that read alike did not use them."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Mapping
from typing import Any

__all__ = ["fingerprint"]

_DEPTH = 12
#: Lightning's own bookkeeping, which differs between any two objects or says nothing of the arguments.
_PASSED_OVER = frozenset({"_trainer", "trainer", "_fabric", "_jit_is_scripting", "_log_hyperparams", "_hparams_initial"})


def fingerprint(value: Any, *, passing_over: frozenset[str] = frozenset()) -> str:
    """A digest of everything reachable from a value: attributes, containers, tensors' bytes, closures.

    Attributes named in `passing_over` do not count. Objects without attributes are told by their type alone, so two of these always read alike. Nothing depends on
    addresses or on the order of a set.
    """
    digest = hashlib.sha256()
    _feed(value, digest, frozenset(), 0, _PASSED_OVER | passing_over)
    return digest.hexdigest()


def _feed(value: Any, digest: Any, seen: frozenset[int], depth: int, skip: frozenset[str]) -> None:
    import torch

    def say(text: str) -> None:
        digest.update(text.encode())
        digest.update(b"\0")

    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, type, torch.dtype, torch.device)):
        say(f"{type(value).__name__}:{value!r}")
        return
    if depth > _DEPTH or id(value) in seen:
        say("…")
        return
    seen = seen | {id(value)}
    if isinstance(value, torch.Tensor):
        say(f"tensor:{tuple(value.shape)}:{value.dtype}")
        if value.device.type != "meta" and not value.is_sparse:
            plain = value.detach().cpu().contiguous()
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes() if plain.numel() else b"")
    elif isinstance(value, Mapping):
        say(f"mapping:{len(value)}")
        for key, item in value.items():
            _feed(key, digest, seen, depth + 1, skip)
            _feed(item, digest, seen, depth + 1, skip)
    elif isinstance(value, (list, tuple)):
        say(f"{type(value).__name__}:{len(value)}")
        for item in value:
            _feed(item, digest, seen, depth + 1, skip)
    elif isinstance(value, (set, frozenset)):
        say(f"set:{sorted(map(repr, value))}")
    elif isinstance(value, functools.partial):
        say("partial")
        for part in (value.func, value.args, value.keywords):
            _feed(part, digest, seen, depth + 1, skip)
    elif isinstance(value, types.MethodType):
        say(f"method:{value.__func__.__qualname__}")
    elif isinstance(value, types.FunctionType):
        say(f"function:{value.__qualname__}:{value.__code__.co_code.hex()}")
        cells = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        for part in (value.__defaults__, value.__code__.co_consts, cells):
            _feed(part, digest, seen, depth + 1, skip)
    elif hasattr(value, "__array_interface__"):
        say(f"array:{value.shape}:{value.dtype}")
        digest.update(value.tobytes())
    else:
        say(f"object:{type(value).__module__}.{type(value).__qualname__}")
        attributes = {k: v for k, v in getattr(value, "__dict__", {}).items() if k not in skip}
        for key in sorted(attributes, key=str):
            say(str(key))
            _feed(attributes[key], digest, seen, depth + 1, skip)


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # an empty cell
        return False
