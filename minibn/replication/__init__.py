"""The replication: the paper's experiments as data, the runs, the statistics and the verdicts.

The registered replication (presets medium and tiny, `results/medium/DESIGN.md`):

    arms.py        its sizes and arms       plan.py      which runs come next
    rates.py       the rule of the search   stopping.py  how many seeds
    analysis.py    outcomes, tests, verdicts
    findings.py    every number of the report, from the results
    page.py        the report's first page  answers.py   its sentences
    details.py     the second page, with provenance.py
    drawings.py    the figures              publish.py   the files

What it shares with the earlier presets (smoke, scaled, paper):

    jobs.py        one run: recipe, part of the data, seed
    runner.py      carry out one run        testing.py, probes.py   what is looked at on the way
    pool.py        carry out many           claim.py     of which each has one owner
    results.py     the files of finished runs            published.py  those that come with minibn
    statistics.py  intervals, paired differences, p-values
    estimate.py    what runs would cost     check.py     do a run again and compare

The earlier presets:

    conditions.py  figures and tables: which network, which normalization, which batch
    presets.py     how large                search.py    their learning rates
    metrics.py     what is compared         verdicts.py, claims.py   the rule, and each claim judged
    report.py      the appendix, with comparison.py, ablations.py, again.py, wording.py, figures.py

For a notebook: `judge(load_results("results/scaled"))`,
`page(MEDIUM, load_results("results/medium"))`.
"""

from minibn.replication.claims import judge
from minibn.replication.conditions import EXPERIMENTS
from minibn.replication.presets import PRESETS
from minibn.replication.published import published
from minibn.replication.results import Result, Results, load_results

__all__ = ["EXPERIMENTS", "PRESETS", "Result", "Results", "judge", "load_results",
           "published"]
