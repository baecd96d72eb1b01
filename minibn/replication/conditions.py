"""The paper's figures and tables as data: which networks with which normalization at which batch.

A condition is one curve or one table entry, without sizes, rates and seeds, which a preset adds.
An experiment is a list of conditions.  Figures 1 to 3 and Tables 2 to 4 share conditions, and every
run is done once, whichever of them asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minibn.norms import NORMS

IOFFE = "ioffe"  # a ramp in Ioffe's proportions, 5,000 : 40,000 : 25,000 of 160,000 steps


@dataclass(frozen=True)
class Condition:
    """A network, its normalization and its batch.

    norm: a name in `NORMS`; variant: what sets it apart from the normalization's default, in a
    word that goes into file names, with its norm_options; accumulate: batches in one update;
    lr: a learning rate that is not searched but given; rate_of: the key of a condition whose rate
    it takes, where the two are to differ in one thing alone.
    """

    network: str
    norm: str
    batch_size: int
    variant: str = ""
    norm_options: dict[str, Any] = field(default_factory=dict, compare=False)
    accumulate: int = 1
    activation: str = "relu"
    lr: float | None = None
    rate_of: str = ""

    @property
    def images_per_update(self) -> int:
        """Images whose gradient is averaged in an update."""
        return self.batch_size * self.accumulate

    @property
    def key(self) -> str:
        """Its name in files: network-norm-variant-batch."""
        parts = [self.network, self.norm, self.variant,
                 f"b{self.batch_size}" + (f"x{self.accumulate}" if self.accumulate > 1 else ""),
                 "" if self.lr is None else f"lr{self.lr:g}"]
        return "-".join(part for part in parts if part)

    @property
    def method(self) -> str:
        """The normalization with its variant, for figures and tables."""
        title = NORMS[self.norm].title
        return f"{title} ({self.variant.replace('_', ' ')})" if self.variant else title


@dataclass(frozen=True)
class Experiment:
    """Cells that are looked at together.

    paper: the number that the paper prints for a condition's final test accuracy (%), by key;
    paper_epochs: epochs to 60 %, by key.
    """

    title: str
    conditions: tuple[Condition, ...]
    paper: dict[str, float] = field(default_factory=dict)
    paper_epochs: dict[str, int] = field(default_factory=dict)


def trio(network: str, batch_size: int, **options: Any) -> tuple[Condition, ...]:
    """BN, BRN and renorm_debias, otherwise equal."""
    return tuple(Condition(network, norm, batch_size, **options)
                 for norm in ("bn", "brn", "renorm_debias"))


BN_128, BN_10 = Condition("all_cnn", "bn", 128), Condition("all_cnn", "bn", 10)
BN_5, BRN_5, DEBIAS_5 = trio("all_cnn", 5)
NO_CLIP = {"r_max": None, "d_max": None}
BRN_NO_CLIP = Condition("all_cnn", "brn", 5, "no_clip", NO_CLIP, rate_of=BRN_5.key)
BRN_RAMP = Condition("all_cnn", "brn", 5, "ramp", {"ramp": IOFFE}, rate_of=BRN_5.key)
DEBIAS_NO_CLIP = Condition("all_cnn", "renorm_debias", 5, "no_clip", NO_CLIP, rate_of=DEBIAS_5.key)

RATES = (0.01, 0.03)  # at which Table 4 is repeated, whatever the search has chosen

TABLE_2 = {BN_128.key: 67.0, BN_10.key: 67.2, BN_5.key: 65.8}
TABLE_3 = {BN_5.key: 65.8, BRN_5.key: 64.9}
TABLE_4 = {BN_5.key: 65.8, BRN_5.key: 64.9, DEBIAS_5.key: 66.2}
EPOCHS_ALL_CNN = {BN_5.key: 23, BRN_5.key: 18, DEBIAS_5.key: 15}
# §4.3 says "18, while BN and BRN take 26 and 45", of NiN.
EPOCHS_NIN = {"nin-bn-b5": 26, "nin-brn-b5": 45, "nin-renorm_debias-b5": 18}
# Averages that are young again after 50 batches: at test BN's then hold nothing of their (0, 1).
SHORT = {"decay": 0.9}
BN_SHORT, BRN_SHORT, DEBIAS_SHORT = (
    Condition(condition.network, condition.norm, 5, "decay_0.9", SHORT, rate_of=condition.key)
    for condition in (BN_5, BRN_5, DEBIAS_5))

# In order of importance: what comes first is run first.
EXPERIMENTS: dict[str, Experiment] = {
    "table4": Experiment("Table 4: BN, BRN and renorm_debias on ALL-CNN, batch 5",
                         (BN_5, BRN_5, DEBIAS_5), TABLE_4, EPOCHS_ALL_CNN),
    "fig3": Experiment("Figure 3: BN, BRN and renorm_debias on ALL-CNN, batch 5",
                       (BN_5, BRN_5, DEBIAS_5), TABLE_4, EPOCHS_ALL_CNN),
    "fig1": Experiment("Figure 1: BN on ALL-CNN at batch 128, 10 and 5",
                       (BN_128, BN_10, BN_5), TABLE_2),
    "table2": Experiment("Table 2: BN on ALL-CNN at batch 128, 10 and 5",
                         (BN_128, BN_10, BN_5), TABLE_2),
    "fig2": Experiment("Figure 2: BN and BRN on ALL-CNN, batch 5", (BN_5, BRN_5), TABLE_3),
    "table3": Experiment("Table 3: BN and BRN on ALL-CNN, batch 5", (BN_5, BRN_5), TABLE_3),
    "fig4": Experiment("Figure 4: NiN, batch 5", trio("nin", 5),
                       {"nin-bn-b5": 64.0, "nin-renorm_debias-b5": 64.0}, EPOCHS_NIN),
    "fig5": Experiment("Figure 5: NiN, batch 1", trio("nin", 1)),
    "fig6": Experiment("Figure 6: inside ALL-CNN, batch 5", (BN_5, BRN_5, DEBIAS_5)),
    "clip": Experiment("Which change does what: clip, ramp, zero start",
                       (BRN_5, BRN_NO_CLIP, BRN_RAMP, DEBIAS_5, DEBIAS_NO_CLIP)),
    "decay": Experiment("Averages of 10 batches instead of 100, ALL-CNN, batch 5",
                        (BN_SHORT, BRN_SHORT, DEBIAS_SHORT)),
    "accumulate": Experiment("Ten batches of 5 in one update",
                             trio("all_cnn", 5, accumulate=10)),
    "small": Experiment("ALL-CNN at batch 2 and 1", trio("all_cnn", 2) + trio("all_cnn", 1)),
    "others": Experiment("LayerNorm, GroupNorm, WeightNorm at batch 5 and 1",
                         tuple(Condition("all_cnn", norm, batch)
                               for batch in (5, 1) for norm in ("ln", "gn", "wn"))),
    "elu": Experiment("ELU instead of ReLU, ALL-CNN, batch 5",
                      trio("all_cnn", 5, variant="elu", activation="elu")),
    "rates": Experiment("Table 4 at given learning rates, the same for all",
                        tuple(one for lr in RATES for one in trio("all_cnn", 5, lr=lr))),
}
