"""The text of a starting recipe, for a person to go on from."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from lightning_hpo.errors import UsageError
from lightning_hpo.recipe.writing import dump_yaml, flow
from lightning_hpo.space import Space
from lightning_hpo.space.syntax import render

__all__ = ["template"]

_HEADER = """\
# A recipe of lightning-hpo: how {name} is trained, what of it may vary, and what is optimised.
# Everything but `tune` is a LightningCLI config.
#
#   lightning-hpo validate {file}    every problem at once; --dry-run fits one batch
#   lightning-hpo run {file}         {trials}
"""

_EXAMPLE = """\
# @tunable declares nothing. In place of {}, name what may vary by its path, for example:
# model.lr: {float: [1.0e-4, 1.0e-1], log: true}
# data.batch_size: {choice: [32, 64, 128]}
"""

_TRIALS = 20
_LONGEST_COMMENT = 60


def template(
    model_class: str,
    model_defaults: Mapping[str, Any],
    model_required: Sequence[str],
    space: Space,
    data_class: str | None,
    data_defaults: Mapping[str, Any],
    data_required: Sequence[str],
    metric: str,
    mode: str,
    *,
    file: str = "recipe.yaml",
) -> str:
    """A recipe as text, with a comment on everything that a person must or may want to change.

    It is a valid recipe as soon as the required arguments, which stand there as comments, are filled in. A default
    that YAML cannot hold stands there as a comment too, and so goes on to be the class's own.

    Args:
        model_class: The import path of the LightningModule.
        model_defaults: Its arguments that have defaults.
        model_required: Its arguments that have none.
        space: What may vary, by paths, like `model.lr` (see `paths.addressed`).
        data_class: The import path of the LightningDataModule; None if the module brings its own data.
        data_defaults: Its arguments that have defaults.
        data_required: Its arguments that have none.
        metric: The metric to optimise, perhaps guessed.
        mode: "min" or "max".
        file: What the file will be called.
    """
    name = model_class.rpartition(".")[2]
    parts = [
        _HEADER.format(name=name, file=file, trials=f"{_TRIALS} trials"),
        "seed_everything: 1\n",
        _block("model", model_class, model_defaults, model_required, space),
    ]
    if data_class is not None:
        parts.append(_block("data", data_class, data_defaults, data_required, space))
    parts.append("trainer:\n  max_epochs: 10  # of a full trial\n")
    parts.append(_tune(space, metric, mode))
    return "\n".join(parts)


def _block(block: str, class_path: str, defaults: Mapping[str, Any], required: Sequence[str], space: Space) -> str:
    tuned = set(space.names())
    lines = [f"# {name}: ???  (required)" for name in required]
    filled = False
    for name, default in defaults.items():
        try:
            plain = _plain(default)
        except UsageError:
            lines.append(f"# {name}: {_comment(default)}  (the default; YAML cannot hold it)")
            continue
        filled = True
        written = dump_yaml({name: plain}).rstrip("\n")
        words = type(default).__name__ if default is not None else ""
        if f"{block}.{name}" in tuned:
            words = f"{words}, tuned: the first trial takes this value".removeprefix(", ")
        if words and "\n" not in written:
            written += f"  # {words}"
        lines.append(written)
    head = f"{block}:\n  class_path: {flow(class_path)}\n"
    if not lines:
        return head
    body = textwrap.indent("\n".join(lines) + "\n", "    ")
    return head + ("  init_args:\n" if filled else "  init_args: {}\n") + body


def _plain(value: Any) -> Any:
    """The value as it will be read back; a tuple would come back as a list, which LightningCLI turns into a tuple."""
    if isinstance(value, Mapping) and not all(isinstance(key, str) for key in value):
        raise UsageError(f"{value!r} has keys that are no text.")
    dump_yaml(value)
    return value


def _comment(value: Any) -> str:
    words = " ".join(repr(value).split())
    return words if len(words) <= _LONGEST_COMMENT else words[:_LONGEST_COMMENT] + "…"


def _tune(space: Space, metric: str, mode: str) -> str:
    lines = [
        "tune:",
        f"  objective: {{metric: {flow(metric)}, mode: {mode}}}  # any metric that the module logs",
    ]
    if space:
        parameters = {name: render(parameter) for name, parameter in space.items()}
        lines += ["  space:", textwrap.indent(dump_yaml(parameters).rstrip("\n"), "    ")]
    else:
        lines += ["  space: {}", textwrap.indent(_EXAMPLE.rstrip("\n"), "    ")]
    lines += [
        "  searcher: {name: tpe}",
        "  scheduler: {name: asha}  # ends poor trials early",
        f"  n_trials: {_TRIALS}",
        "  resources: {cpu: 1, gpu: 0}  # of one trial",
    ]
    return "\n".join(lines) + "\n"
