"""The replication: the paper's experiments as data, the runs, the statistics and the verdicts.

    conditions.py       figures and tables: which network, which normalization, which batch
    presets.py     how large: smoke, scaled, paper
    jobs.py       one run: recipe, part of the data, seed
    runner.py      carry out one run        probes.py   look inside it (Figure 6)
    pool.py        carry out many           search.py  choose their learning rates
    results.py     the files of finished runs; published.py   those that come with minibn
    statistics.py  intervals and paired differences
    metrics.py     what is compared         verdicts.py  the rule that decides
    claims.py      the paper's claims, each judged
    report.py      all of it as a page      main_question.py, ablations.py, again.py,
                                            wording.py   parts of it

For a notebook: `judge(load_results("results/scaled"))`.
"""

from minibn.replication.claims import judge
from minibn.replication.conditions import EXPERIMENTS
from minibn.replication.presets import PRESETS
from minibn.replication.published import published
from minibn.replication.results import Result, Results, load_results

__all__ = ["EXPERIMENTS", "PRESETS", "Result", "Results", "judge", "load_results",
           "published"]
