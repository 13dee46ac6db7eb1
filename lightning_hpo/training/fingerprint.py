"""What an object is made of, as a string: two builds with different arguments that read alike did not use them."""

from __future__ import annotations

import functools
import hashlib
import logging
import random
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["fingerprint"]

#: Lightning's own bookkeeping, which differs between any two objects or says nothing of the arguments.
_PASSED_OVER = frozenset(
    {"_trainer", "trainer", "_fabric", "_jit_is_scripting", "_log_hyperparams", "_hparams_initial"}
)
#: Of larger arrays, about so many values are read, evenly spread: a data set may be larger than memory.
_SAMPLE = 2**22
#: Tables that pickle by copying, or by reading a whole file: told by their type.
_TABLES = ("pyarrow", "polars", "h5py")
#: Said as they are.
_SCALARS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))


def fingerprint(value: Any, *, passing_over: frozenset[str] = frozenset()) -> str:
    """A digest of everything reachable from a value: attributes, slots, containers, tensors' bytes, closures.

    Each object is read once, however often it is referred to, so cyclic and heavily shared structures cost no more than
    their size. Nothing depends on addresses or on the order of a set.

    Edges:
        * Modules of Python, classes and loggers are told by their name alone.
        * Of arrays and tensors beyond some millions of values, an even sample is read.
        * What has neither attributes nor a way to be pickled is told by its type, so two of these read alike.

    Args:
        value: Any object.
        passing_over: Names of attributes that do not count, wherever they are.
    """
    import torch

    skip = _PASSED_OVER | passing_over
    digest = hashlib.sha256()
    found: dict[int, tuple[int, Any]] = {}  # the objects are held, since a freed one's id may come again
    waiting: deque[Any] = deque()

    def say(item: Any) -> None:
        """Feeds a scalar, or refers to an object by its place in the order of discovery."""
        if isinstance(item, (*_SCALARS, type, torch.dtype, torch.device)):
            text = f"{type(item).__name__}:{item!r}"
        else:
            if id(item) not in found:
                found[id(item)] = (len(found), item)
                waiting.append(item)
            text = f"#{found[id(item)][0]}"
        digest.update(text.encode(errors="surrogatepass") + b"\0")

    say(value)
    while waiting:
        item = waiting.popleft()
        digest.update(f"{type(item).__module__}.{type(item).__qualname__}\0".encode())
        if isinstance(item, torch.Tensor):
            digest.update(_bytes(item))
        for part in _parts(item, skip):
            say(part)
    return digest.hexdigest()


def _bytes(tensor: Any) -> bytes:
    import torch

    told = f"{tuple(tensor.shape)}:{tensor.dtype}:{tensor.device.type}:{tensor.requires_grad}".encode()
    if tensor.device.type == "meta" or tensor.layout is not torch.strided or tensor.is_quantized or not tensor.numel():
        return told
    flat = tensor.detach().reshape(-1)[:: -(-tensor.numel() // _SAMPLE)]
    plain: bytes = flat.cpu().resolve_conj().resolve_neg().contiguous().view(torch.uint8).numpy().tobytes()
    return told + plain


def _content(array: Any) -> Any:
    flat = array.reshape(-1)[:: max(1, -(-array.size // _SAMPLE))]
    return flat.tolist() if array.dtype.hasobject else flat.tobytes()


def _parts(item: Any, skip: frozenset[str]) -> Iterator[Any]:
    """What an object is made of, in an order that its construction decides."""
    import torch

    if isinstance(item, (torch.Tensor, types.ModuleType, logging.Logger)):
        yield getattr(item, "__name__", None) or getattr(item, "name", None)
    elif isinstance(item, (list, tuple, deque)):
        yield len(item)
        yield from item
    elif isinstance(item, (set, frozenset)):
        yield sorted(repr(member) for member in item if " at 0x" not in repr(member))
    elif isinstance(item, functools.partial):
        yield from (item.func, item.args, item.keywords)
    elif isinstance(item, types.MethodType):
        yield from (item.__func__.__qualname__, item.__self__)
    elif isinstance(item, types.FunctionType):
        cells = [cell.cell_contents for cell in item.__closure__ or () if _filled(cell)]
        yield from (item.__qualname__, item.__code__, item.__defaults__, item.__kwdefaults__, cells)
    elif isinstance(item, types.CodeType):
        yield from (item.co_code, item.co_names, item.co_consts)
    elif hasattr(item, "__array_interface__"):  # NumPy's
        yield from (item.shape, str(item.dtype), _content(item))
    elif isinstance(item, random.Random):
        yield item.getstate()
    else:
        if isinstance(item, Mapping):
            yield from (part for pair in list(item.items()) for part in pair)
        attributes = _attributes(item, skip)
        yield from (part for pair in attributes.items() for part in pair)
        if not attributes and not isinstance(item, Mapping):
            yield from _reduced(item)


def _attributes(item: Any, skip: frozenset[str]) -> dict[str, Any]:
    found = {str(key): part for key, part in getattr(item, "__dict__", {}).items()}
    for base in type(item).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(item, name):
                found[name] = getattr(item, name)
    return {key: found[key] for key in sorted(found) if key not in skip}


def _reduced(item: Any) -> Iterator[Any]:
    """An object of C code by what pickle would keep of it: a Generator's state, a date, a path, a frame's blocks."""
    if type(item).__module__.partition(".")[0] in _TABLES:
        return
    try:
        reduced = item.__reduce_ex__(4)
    except Exception:  # locks, sockets, and whatever else refuses
        return
    for part in reduced if isinstance(reduced, tuple) else ():
        yield list(part) if isinstance(part, Iterator) else part


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # an empty cell
        return False
