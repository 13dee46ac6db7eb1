from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support
from torch.nn import functional

from lightning_hpo.zoo.scores import ClassificationScores


def add(scores: ClassificationScores, logits: torch.Tensor, labels: torch.Tensor) -> None:
    scores.update(logits, labels, functional.cross_entropy(logits, labels))


def as_floats(scores: ClassificationScores) -> dict[str, float]:
    return {name: float(value) for name, value in scores.compute().items()}


def test_three_examples_worked_out_by_hand() -> None:
    # labels 0 0 1, predictions 0 1 1, of two classes:
    # precision 1/1 and 1/2, mean 3/4; recall 1/2 and 1/1, mean 3/4; F1 2/3 and 2/3; accuracy 2/3.
    scores = ClassificationScores(2)
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    scores.update(logits, torch.tensor([0, 0, 1]), torch.tensor(0.5))
    expected = {"loss": 0.5, "acc": 2 / 3, "precision": 0.75, "recall": 0.75, "f1": 2 / 3}
    assert as_floats(scores) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_the_numbers_are_scikit_learns(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(6, (101,), generator=generator)
    logits = torch.randn(101, 6, generator=generator) + functional.one_hot(labels, 6)
    scores = ClassificationScores(6)
    for at in torch.arange(101).split(32):  # 32, 32, 32 and 5: batches of unequal weight
        add(scores, logits[at], labels[at])
    predicted = logits.argmax(1)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    chances = logits.double().softmax(1).numpy()
    expected = {
        "loss": log_loss(labels, chances, labels=range(6)),
        "acc": accuracy_score(labels, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    assert as_floats(scores) == pytest.approx(expected, abs=1e-5)


def test_classes_that_do_not_occur_are_left_out_of_the_macro_average_as_scikit_learn_does() -> None:
    labels = torch.tensor([0, 0, 3])
    predicted = torch.tensor([0, 4, 4])  # 3 is never predicted, 4 has no labels, 1 and 2 occur nowhere
    scores = ClassificationScores(5)
    add(scores, functional.one_hot(predicted, 5).float(), labels)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)
    found = as_floats(scores)
    # three classes occur: precision 1, 0, 0; recall 1/2, 0, 0; F1 2/3, 0, 0
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((1 / 3, 1 / 6, 2 / 9))
    assert (precision, recall, f1) == pytest.approx((1 / 3, 1 / 6, 2 / 9))


def test_nothing_counted_is_nan() -> None:
    with pytest.warns(UserWarning, match="before the ``update`` method"):  # torchmetrics' own
        found = as_floats(ClassificationScores(3))
    assert found.keys() == {"loss", "acc", "precision", "recall", "f1"}
    assert all(np.isnan(value) for value in found.values())


def test_a_diverged_loss_stays_visible() -> None:
    scores = ClassificationScores(2)
    scores.update(torch.full((4, 2), float("nan")), torch.tensor([0, 1, 0, 1]), torch.tensor(float("nan")))
    assert np.isnan(as_floats(scores)["loss"])


def test_reset_forgets_and_counting_survives_a_reset_in_inference_mode() -> None:
    scores = ClassificationScores(2)
    logits, labels = torch.tensor([[1.0, 0.0]]), torch.tensor([1])
    with torch.inference_mode():
        add(scores, logits, labels)
        scores.reset()
    add(scores, logits, torch.tensor([0]))
    assert as_floats(scores)["acc"] == 1.0


def test_scores_pickle_with_what_they_counted() -> None:
    scores = ClassificationScores(2)
    add(scores, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    assert as_floats(pickle.loads(pickle.dumps(scores)))["acc"] == 0.5


def test_the_counts_are_no_part_of_a_checkpoint() -> None:
    assert ClassificationScores(2).state_dict() == {}
