"""Where the words of a fit go: into the trial's own log instead of the terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import TextIO

__all__ = ["speaking_into"]

_LOGGERS = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric", "lightning")


@contextlib.contextmanager
def speaking_into(stream: TextIO) -> Iterator[None]:
    """Sends prints, warnings and Lightning's log lines of this process into a stream, until left.

    Process-wide: one fit at a time.
    """
    before = {handler: handler.stream for handler in _handlers()}
    for handler in before:
        handler.stream = stream
    try:
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream), warnings.catch_warnings():
            warnings.simplefilter("default")
            yield
    finally:
        for handler in _handlers():
            if handler.stream is stream:  # also those that Lightning made while it was imported in here
                handler.stream = before.get(handler, sys.stderr)


def _handlers() -> list[logging.StreamHandler[TextIO]]:
    """Lightning's own handlers that write to the terminal."""
    return [
        handler
        for name in _LOGGERS
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
    ]
