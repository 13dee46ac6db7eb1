"""The command line: `lightning-hpo`."""

from __future__ import annotations

import gc
import sys

__all__ = ["main"]


def main() -> None:
    """Runs the command line and exits.

    Exit codes: 0; 2 for a recipe or a call that cannot work; 3 if no trial succeeded; 4 for the cluster; 5 for a disk;
    130 after Ctrl-C; 70 for a fault of ours.
    """
    try:
        from lightning_hpo.cli.app import app
    except KeyboardInterrupt:  # once the app is there, it answers for itself
        raise SystemExit(130) from None
    try:
        app()
    finally:
        if "torch" not in sys.modules:  # whose libraries complain of what nobody collected
            gc.freeze()  # a last look for garbage in all that Ray has loaded would take a third of a second
