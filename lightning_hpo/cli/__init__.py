"""The command line: `lightning-hpo`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Runs the command line and exits.

    Exit codes: 0; 2 for a recipe or a call that cannot work; 3 if no trial succeeded; 4 for the cluster; 130 after
    Ctrl-C; 70 for a fault of ours.
    """
    try:
        from lightning_hpo.cli.app import app
    except KeyboardInterrupt:  # once the app is there, it answers for itself
        raise SystemExit(130) from None
    app()
