"""Tells a want of memory from other failures, and how much there was."""

from __future__ import annotations

import gc
import resource
import sys

__all__ = ["out_of_memory", "release_memory"]

#: What torch says when the CPU's memory is at its end; it has no class of its own for that.
_CPU = "can't allocate memory"


def out_of_memory(error: BaseException) -> str | None:
    """A sentence with the peak of the memory used, if the error is for want of memory; else None.

    Counted are what torch held on the device at its peak, or the peak of the process for the CPU; GiB. An error that
    was raised from another one is looked into.
    """
    import torch

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, torch.OutOfMemoryError):
            peak, whole = torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties(0).total_memory
            name = torch.cuda.get_device_name(0)
            return f"Out of memory on the GPU: {_gib(peak)} at the peak of this trial, of {_gib(whole)} ({name})."
        if isinstance(seen, MemoryError) or (isinstance(seen, RuntimeError) and _CPU in str(seen)):
            scale = 1 if sys.platform == "darwin" else 1024  # Linux counts in KiB
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
            return f"Out of memory: the worker held {_gib(peak)} at its peak."
        seen = seen.__cause__ or seen.__context__
    return None


def release_memory() -> None:
    """Gives a device's memory back, so that the next trial, and others on the same device, have it now."""
    import torch

    gc.collect()  # a module and its Trainer hold each other
    torch.cuda.empty_cache()


def _gib(size: float) -> str:
    return f"{size / 2**30:.2f} GiB"
