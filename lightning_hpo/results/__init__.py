"""The memory of a run: its folder, its journal, what the journal adds up to, and the results."""

from lightning_hpo.results.disk import atomic_write
from lightning_hpo.results.event import Event
from lightning_hpo.results.events import Ended, Judged, Reported, Started, Suggested
from lightning_hpo.results.folder import RunFolder
from lightning_hpo.results.hold import Holder
from lightning_hpo.results.journal import Journal
from lightning_hpo.results.metrics_file import MetricsFile
from lightning_hpo.results.results import Results, TrialResult
from lightning_hpo.results.run_events import VERSION, Closed, Extended, Opened, Resumed
from lightning_hpo.results.state import RunState, TrialState
from lightning_hpo.results.timing import time_driven, time_left
from lightning_hpo.results.trial_folder import TrialFolder

__all__ = [
    "VERSION",
    "Closed",
    "Ended",
    "Event",
    "Extended",
    "Holder",
    "Journal",
    "Judged",
    "MetricsFile",
    "Opened",
    "Reported",
    "Results",
    "Resumed",
    "RunFolder",
    "RunState",
    "Started",
    "Suggested",
    "TrialFolder",
    "TrialResult",
    "TrialState",
    "atomic_write",
    "time_driven",
    "time_left",
]
