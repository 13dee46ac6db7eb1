from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from lightning_hpo import Choice, Float, Int, Objective, Space, UsageError
from lightning_hpo.errors import SettingError, SpaceError
from lightning_hpo.schedulers import SCHEDULERS
from lightning_hpo.searchers import SEARCHERS
from lightning_hpo.tuning.settings import RunSettings, plain_defaults, trial_seed

SPACE = Space(
    {
        "model.lr": Float(1e-4, 1e-1, log=True),
        "model.sizes": Choice([(8,), (8, 4)]),
        "model.optimizer": Choice({"adam": {}, "sgd": {"model.momentum": Float(0.0, 0.99)}}),
    }
)
DEFAULTS = {"model.lr": 1e-3, "model.sizes": (8,), "model.optimizer": "adam"}


def settings(**changes: Any) -> RunSettings:
    given: dict[str, Any] = {
        "objective": Objective(metric="val_loss"),
        "space": SPACE,
        "max_epochs": 9,
        "seed": 7,
        "defaults": DEFAULTS,
    }
    return RunSettings(**{**given, **changes})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_epochs", 0),
        ("max_epochs", 2.5),
        ("max_epochs", True),
        ("keep_best", 0),
        ("max_failures", 0),
        ("n_trials", 0),
        ("n_trials", "many"),
        ("max_concurrent", 0),
        ("cpus", -1),
        ("cpus", math.inf),
        ("gpus", -0.5),
        ("gpus", "one"),
        ("seed", -1),
        ("seed", 2**32),
        ("resource", "steps"),
    ],
)
def test_a_number_out_of_bounds_is_refused_by_name(name: str, value: object):
    with pytest.raises(SettingError, match=f"^{name} is {value!r}. Expected"):
        settings(**{name: value})


@pytest.mark.parametrize("name", ["n_trials", "max_concurrent"])
def test_what_may_be_none_may_be_none(name: str):
    assert getattr(settings(**{name: None}), name) is None


def test_an_unknown_searcher_is_named_with_the_known_ones_and_the_nearest():
    with pytest.raises(UsageError, match=r"searcher is 'tpp'. Known searchers: .*grid.*random.*tpe.* mean 'tpe'\?"):
        settings(searcher=("tpp", {}))


def test_an_unknown_scheduler_is_named_with_the_known_ones_and_the_nearest():
    with pytest.raises(UsageError, match=r"scheduler is 'ahsa'. Known schedulers: .*asha.*none.* mean 'asha'\?"):
        settings(scheduler=("ahsa", {}))


def test_an_unknown_setting_is_named_with_those_that_there_are():
    with pytest.raises(UsageError, match=r"'tpe' takes no setting 'gama'. It takes: .*gamma.* mean 'gamma'\?"):
        settings(searcher=("tpe", {"gama": 0.2}))
    with pytest.raises(UsageError, match=r"'random' takes no setting 'gamma'. It takes no settings.$"):
        settings(searcher=("random", {"gamma": 0.2}))


def test_what_the_run_itself_gives_is_no_setting():
    with pytest.raises(UsageError, match="takes no setting 'max_epochs'"):
        settings(scheduler=("asha", {"max_epochs": 3}))


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ({"model.lr": 5.0}, r"initial_points\[0\]: model.lr is 5.0, which is not a value of Float"),
        ({"model.lrr": 0.01}, r"initial_points\[0\]: model.lrr is not in the space. Did you mean 'model.lr'\?"),
        ({"model.momentum": 0.5}, r"initial_points\[0\]: model.momentum is not active under the choices made"),
        ({"model.optimizer": "lion"}, r"initial_points\[0\]: model.optimizer is 'lion', which is not a value"),
        (
            {"model.optimizer": "sgd", "model.momentum": 2},
            r"initial_points\[0\]: model.momentum is 2, which is not a value",
        ),
    ],
)
def test_an_initial_point_outside_the_space_is_refused_by_place_and_name(point: dict[str, Any], told: str):
    with pytest.raises(UsageError, match=told):
        settings(initial_points=[point])


def test_the_place_of_the_wrong_point_is_told():
    with pytest.raises(UsageError, match=r"initial_points\[1\]"):
        settings(initial_points=[{"model.lr": 0.01}, {"model.lr": 0}])


def test_what_a_point_leaves_out_keeps_its_default_and_a_branch_its_middle():
    made = settings(initial_points=[{"model.optimizer": "sgd"}])
    # The middle of [0, 0.99] is 0.495; the class may have said another default for momentum, which wins.
    assert made.first_configs()[1] == {**DEFAULTS, "model.optimizer": "sgd", "model.momentum": pytest.approx(0.495)}
    said = settings(defaults={**DEFAULTS, "model.momentum": 0.9}, initial_points=[{"model.optimizer": "sgd"}])
    assert said.first_configs()[1]["model.momentum"] == 0.9


def test_what_a_point_leaves_out_keeps_a_default_outside_the_space_as_well():
    made = settings(defaults={**DEFAULTS, "model.lr": 5.0}, initial_points=[{"model.optimizer": "sgd"}])
    assert made.first_configs()[1]["model.lr"] == 5.0


def test_the_defaults_come_first_and_no_config_comes_twice():
    made = settings(initial_points=[{}, {"model.lr": 0.01}, {"model.lr": 0.01}, {"model.lr": 0.02}])
    # {} is the defaults again, and the third repeats the second.
    assert [config["model.lr"] for config in made.first_configs()] == [1e-3, 0.01, 0.02]


def test_a_first_config_can_be_changed_without_changing_the_settings():
    made = settings()
    made.first_configs()[0]["model.lr"] = 9
    assert made.first_configs()[0] == DEFAULTS


def test_a_searcher_that_never_ends_has_twenty_trials_and_a_grid_all_of_its_own():
    assert settings().trials() == 20
    assert settings(searcher=("random", {})).trials() == 20
    assert settings(searcher=("grid", {})).trials() is None
    assert settings(searcher=("grid", {}), n_trials=3).trials() == 3
    assert settings(n_trials=5).trials() == 5


def test_a_tuple_is_a_list_in_the_journal_and_a_tuple_again_in_the_worker():
    config = {"model.lr": 0.01, "model.sizes": (8, 4), "model.optimizer": "adam"}
    plain = settings().encode(config)
    assert plain == {"model.lr": 0.01, "model.sizes": [8, 4], "model.optimizer": "adam"}
    assert settings().decode(plain) == config
    assert isinstance(settings().decode(plain)["model.sizes"], tuple)


def test_a_default_outside_the_space_is_encoded_as_it_is():
    outside = {"model.lr": 5.0, "model.sizes": (3, 3), "model.optimizer": None, "model.extra": np.int64(3)}
    plain = settings().encode(outside)
    assert plain == {"model.lr": 5.0, "model.sizes": [3, 3], "model.optimizer": None, "model.extra": 3}
    assert type(plain["model.extra"]) is int
    assert settings().decode(plain) == plain  # nobody knows any more that sizes was a tuple


def test_a_default_that_no_file_can_hold_is_left_to_the_class():
    space = Space({"model.activation": Choice(["relu", "tanh"]), "model.clip": Float(0, 1), "model.width": Int(1, 3)})
    defaults = plain_defaults(space, {"model.activation": print, "model.clip": math.inf})
    assert defaults == {"model.width": 2}  # the middle of 1..3, since it has no default


def test_the_seed_of_a_trial_is_the_first_word_of_numpys_seed_sequence():
    # numpy documents SeedSequence([a, b]) as mixing both integers, and generate_state(1) as one unsigned 32-bit word.
    assert trial_seed(7, 3) == int(np.random.SeedSequence([7, 3]).generate_state(1, np.uint32)[0])
    assert trial_seed(7, 3) == trial_seed(7, 3)
    assert 0 <= trial_seed(2**32 - 1, 10**6) < 2**32


def test_trials_and_runs_have_seeds_of_their_own():
    seeds = {trial_seed(run, trial) for run in range(20) for trial in range(50)}
    assert len(seeds) == 1000  # 1000 draws of 2**32 collide with a chance of 1 in 8600; these are fixed


def test_the_searcher_and_the_scheduler_are_made_with_their_settings():
    made = settings(searcher=("tpe", {"gamma": 0.3}), scheduler=("asha", {"grace_period": 2, "eta": 2}))
    assert made.make_searcher().gamma == 0.3  # type: ignore[attr-defined]
    assert made.make_scheduler().milestones == (2, 4, 8)  # 2 * 2**k below 9


def test_two_searchers_of_the_same_settings_suggest_the_same():
    first, second = settings().make_searcher(), settings().make_searcher()
    assert [first.suggest(trial) for trial in range(5)] == [second.suggest(trial) for trial in range(5)]
    assert settings(seed=8).make_searcher().suggest(0) != settings().make_searcher().suggest(0)


def test_a_grid_over_a_continuous_range_says_what_it_needs():
    with pytest.raises(SpaceError, match=r"A grid needs points, but model.lr, model.momentum are continuous"):
        settings(searcher=("grid", {})).make_searcher()


@pytest.mark.parametrize("searcher", sorted(SEARCHERS))
@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
def test_with_everything_said_a_run_has_the_same_searcher_and_scheduler(searcher: str, scheduler: str):
    space = Space({"model.depth": Int(1, 3)})
    plain = settings(space=space, defaults={"model.depth": 1}, searcher=(searcher, {}), scheduler=(scheduler, {}))
    said = plain.explicit()
    assert said.explicit() == said
    assert said.make_searcher().state_dict() == plain.make_searcher().state_dict()
    assert said.make_scheduler().state_dict() == plain.make_scheduler().state_dict()
    json.dumps([said.searcher, said.scheduler])  # a journal and a recipe can hold it


def test_what_was_left_to_a_default_is_said_and_what_was_asked_for_stays():
    said = settings(max_epochs=48, searcher=("tpe", {"gamma": 0.3})).explicit()
    assert said.searcher[1]["gamma"] == 0.3
    assert set(said.searcher[1]) == {"startup", "gamma", "candidates", "prior_weight", "random_fraction", "joint"}
    assert said.scheduler == ("asha", {"grace_period": 3, "eta": 3})
