"""Builds trials from the blocks of a recipe, with LightningCLI's own parser and instantiation."""

from __future__ import annotations

import contextlib
import copy
import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from lightning_hpo.errors import UsageError
from lightning_hpo.recipe import paths
from lightning_hpo.training.family import Family, family_of, made_by
from lightning_hpo.training.flags import checkpointing, trainer_flags
from lightning_hpo.training.imports import import_object
from lightning_hpo.training.task import Assembly, Parts, Task
from lightning_hpo.trial import Config

__all__ = ["BlocksAssembly", "parser_of"]


class BlocksAssembly(Assembly):
    """Builds from LightningCLI blocks: `model`, `data`, `trainer`, `optimizer`, `lr_scheduler`, `ckpt_path`.

    The parser is made once per process and reused by every trial.

    Args:
        blocks: The LightningCLI config as plain data.
        model_class: Import path of the module's class if the `model` block has no `class_path`.
        data_class: The same for `data`.
    """

    def __init__(self, blocks: Mapping[str, Any], *, model_class: str | None = None, data_class: str | None = None):
        self.blocks = copy.deepcopy(dict(blocks))
        self.model_class = model_class
        self.data_class = data_class

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_cli_cache"}

    def with_config(self, config: Config) -> dict[str, Any]:
        """The blocks with a config written into them: a LightningCLI config that trains this trial."""
        return paths.apply(self.blocks, config)

    def family(self) -> Family:
        """The Lightning distribution of the module's class."""
        path = self.model_class or _class_path(self.blocks.get("model"))
        if not isinstance(path, str):
            raise UsageError("The recipe's model block has no class_path. Give one, or tune.model_class.")
        return family_of(made_by(import_object(path)))

    def build(self, task: Task) -> Parts:
        """Parses and instantiates the blocks as LightningCLI would."""
        blocks = self.with_config(task.config)
        blocks["trainer"] = trainer_flags(blocks.get("trainer") or {}, task)
        cli = self._cli()
        cli.assemble(blocks)
        parts = Parts(
            family=self.family(),
            model=cli.model,
            trainer=cli.trainer,
            data={} if cli.datamodule is None else {"datamodule": cli.datamodule},
            ckpt_path=blocks.get("ckpt_path"),
            weights_only=blocks.get("weights_only"),
        )
        cli.forget()
        return parts

    def build_model(self, config: Config) -> Any:
        """The model alone; the Trainer is not instantiated, nor the data unless their class is a fixed one."""
        blocks = self.with_config(config)
        cli = self._cli()
        model = cli.assemble_model(blocks)
        cli.forget()
        return model

    def warm(self) -> None:
        """Imports the classes and makes the parser, so that the first trial need not."""
        for path in (self.model_class, self.data_class, *(_class_path(self.blocks.get(b)) for b in ("model", "data"))):
            if path:
                import_object(path)
        self._cli()

    def _cli(self) -> Any:
        cached = self.__dict__.get("_cli_cache")
        if cached is None:
            cached = parser_of(self.family(), self.model_class, self.data_class)
            self.__dict__["_cli_cache"] = cached
        return cached


def parser_of(family: Family, model_class: str | None, data_class: str | None) -> Any:
    """A LightningCLI that parses and instantiates on demand instead of on construction."""
    base = family.load("cli").LightningCLI

    class Assembler(base):  # type: ignore[misc, valid-type]
        """LightningCLI without the command line."""

        def parse_arguments(self, parser: Any, args: Any) -> None:
            self.config: Any = {}

        def _set_seed(self) -> None:
            pass  # the trial's own seed is set before

        def instantiate_classes(self) -> None:
            pass

        def _parsed(self, blocks: Mapping[str, Any]) -> None:
            self.__dict__.pop("config_dump", None)  # LightningCLI keeps the dump of the first config it saw
            known = {key: value for key, value in blocks.items() if key in _PARSED and value is not None}
            with _without_deprecations():
                self.config = self.parser.parse_object(known)

        def instantiate_trainer(self, **settings: Any) -> Any:
            given = self._get(self.config_init, "trainer")
            asked = given.get("enable_checkpointing")
            kept = checkpointing(asked, given.get("callbacks"), family)
            return super().instantiate_trainer(enable_checkpointing=kept, **settings)

        def _dump_config(self) -> None:
            """As LightningCLI's own, without checking again what was parsed, and without YAML: a sixth of the time.

            Keys that are no text, and values that only YAML can write, take the long way.
            """
            if "config_dump" in self.__dict__:
                return
            how = {"format": "json", "skip_link_targets": False, "skip_none": False, "skip_validation": True}
            with contextlib.suppress(TypeError, ValueError):  # older jsonargparse has another name for skip_validation
                if _text_keys(self.config.as_dict()):
                    self.config_dump = json.loads(self.parser.dump(self.config, **how))
                    return
            super()._dump_config()

        def assemble(self, blocks: Mapping[str, Any]) -> None:
            """Sets `model`, `datamodule` and `trainer`."""
            self._parsed(blocks)
            with _without_deprecations():
                base.instantiate_classes(self)

        def forget(self) -> None:
            """Lets go of what was built, so that the next trial has its memory."""
            self.model = self.datamodule = self.trainer = self.config_init = None

        def assemble_model(self, blocks: Mapping[str, Any]) -> Any:
            """The model, with the optimizer blocks bound to it."""
            needed = ("model", "optimizer", "lr_scheduler", *(["data"] if data_class else []))
            kept = {key: value for key, value in blocks.items() if key in needed}
            self._parsed(kept)
            with _without_deprecations():
                self.config_init = self.parser.instantiate_classes(self.config)
            self.model = self._get(self.config_init, "model")
            self._add_configure_optimizers_method_to_model(self.subcommand)
            return self.model

    fixed = {
        "model_class": import_object(model_class) if model_class else None,
        "datamodule_class": import_object(data_class) if data_class else None,
    }
    with _without_deprecations():
        return Assembler(
            **fixed,
            run=False,
            save_config_callback=None,
            seed_everything_default=False,
            parser_kwargs={"exit_on_error": False},
        )


@contextlib.contextmanager
def _without_deprecations() -> Iterator[None]:
    """Without what jsonargparse 4.5x says of the methods that LightningCLI 2.6 calls; the user can do nothing."""
    with warnings.catch_warnings():
        told = r"\n +(By default only one Jsonargparse|[\s\S]*was\s+deprecated\s+in\s+v4)"
        warnings.filterwarnings("ignore", told, DeprecationWarning)
        yield


def _text_keys(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _text_keys(each) for key, each in value.items())
    return all(map(_text_keys, value)) if isinstance(value, (list, tuple)) else True


def _class_path(block: Any) -> str | None:
    return block.get("class_path") if isinstance(block, Mapping) else None


_PARSED = ("model", "data", "trainer", "optimizer", "lr_scheduler")
