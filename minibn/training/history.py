"""What a training run has measured, epoch by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from minibn.checks import check_number

PLAIN = "plain"  # the test mode of networks whose normalization has only one


@dataclass
class History:
    """One entry an epoch in every list.

    train_loss: mean cross-entropy (nats) and train_accuracy: share right, both over the epoch's
    batches as they were trained on; test_accuracy: share right, for each test mode;
    learning_rate; clipped_train, clipped_test: mean share of channels in which r or d met its
    bound, in training (at every 20th update and the last) and in test mode "batch" (BRN and
    renorm_debias; else empty);
    seconds: time of the epoch with its tests.
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_accuracy: dict[str, list[float]] = field(default_factory=dict)
    learning_rate: list[float] = field(default_factory=list)
    clipped_train: list[float] = field(default_factory=list)
    clipped_test: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self.seconds)

    @property
    def mode(self) -> str:
        """The normalization's own test mode: the first of those measured."""
        return next(iter(self.test_accuracy))

    def final(self, mode: str | None = None) -> float:
        """Test accuracy after the last epoch."""
        return self.test_accuracy[mode or self.mode][-1]

    def best(self, mode: str | None = None) -> float:
        """The highest test accuracy of any epoch."""
        return max(self.test_accuracy[mode or self.mode])

    def epochs_to(self, threshold: float, mode: str | None = None) -> int | None:
        """How many epochs it took to a test accuracy of `threshold`; None if it never came."""
        reached = (epoch for epoch, accuracy in enumerate(self.test_accuracy[mode or self.mode], 1)
                   if accuracy >= threshold)
        return next(reached, None)

    def first(self, epochs: int) -> History:
        """The history of the first epochs alone."""
        first: dict[str, Any] = {}
        for name, value in vars(self).items():
            first[name] = ({mode: values[:epochs] for mode, values in value.items()}
                           if isinstance(value, dict) else value[:epochs])
        return History(**first)

    def as_dict(self) -> dict[str, Any]:
        """The lists, as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> History:
        """The history that `as_dict` wrote.

        Raises ValueError or TypeError where it is not one: other names, lists of unequal length,
        entries that are not numbers.
        """
        history = cls(**values)
        if not isinstance(history.test_accuracy, dict):
            raise TypeError(f"test_accuracy must be a dict, not {history.test_accuracy!r}")
        tests = list(history.test_accuracy.values())
        clipped = [shares for shares in (history.clipped_train, history.clipped_test)
                   if shares != []]                      # of other normalizations it is empty
        shares = [history.train_accuracy, *tests, *clipped]
        for measured in (history.seconds, history.train_loss, history.learning_rate, *shares):
            if not isinstance(measured, list):
                raise TypeError(f"a history has {measured!r} where a list should be")
            if len(measured) != history.epochs:
                raise ValueError(f"a history of {history.epochs} epochs has a list of "
                                 f"{len(measured)}")
            for value in measured:
                check_number("an entry of a history", value, least=0)
        if any(value > 1 for measured in shares for value in measured):
            raise ValueError("a history has a share above 1")
        if not tests:
            raise ValueError("a history needs the test accuracy of one mode at least")
        return history
