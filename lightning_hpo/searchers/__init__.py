"""What proposes configs. Pure decisions: no Ray, no torch, no clock, no global random state."""

from collections.abc import Mapping
from types import MappingProxyType

from lightning_hpo.searchers.base import Searcher
from lightning_hpo.searchers.grid import GridSearcher
from lightning_hpo.searchers.random import RandomSearcher
from lightning_hpo.searchers.tpe import TPESearcher

__all__ = ["SEARCHERS", "GridSearcher", "RandomSearcher", "Searcher", "TPESearcher"]

#: What a recipe may write under `tune.searcher.name`.
SEARCHERS: Mapping[str, type[Searcher]] = MappingProxyType(
    {searcher.name: searcher for searcher in (GridSearcher, RandomSearcher, TPESearcher)}
)
