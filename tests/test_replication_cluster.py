"""The same runs over a real Dask scheduler with two workers on the loopback address."""

import pytest

from minibn.replication import PRESETS
from minibn.replication.conditions import BN_5, DEBIAS_5
from minibn.replication.pool import carry_out_all
from minibn.replication.results import read_result

distributed = pytest.importorskip("distributed", reason="needs the extra: cluster")

UNITS = [PRESETS["smoke"].run(cell, 0.03, seed) for seed in (1, 2) for cell in (BN_5, DEBIAS_5)]


def test_a_cluster_gives_the_results_of_this_machine(tmp_path):
    settings = {"progress": False, "data_dir": None}
    here = carry_out_all(UNITS, tmp_path / "here", tmp_path / "work", processes=2, **settings)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                  host="127.0.0.1", dashboard_address=None) as cluster:
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1:")
        there = carry_out_all(UNITS, tmp_path / "there", tmp_path / "work2",
                              scheduler=cluster.scheduler_address, **settings)
    for a, b in zip(map(read_result, here), map(read_result, there), strict=True):
        assert {**a.history.as_dict(), "seconds": 0} == {**b.history.as_dict(), "seconds": 0}
        assert (a.looks, a.unit, a.made["blas_threads"]) == (b.looks, b.unit, "1")
        assert b.made["blas_threads"] == "1"


def test_a_scheduler_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("minibn.replication.pool.PATIENCE", "1s")
    with pytest.raises(OSError):
        carry_out_all(UNITS[:1], tmp_path, tmp_path, scheduler="tcp://127.0.0.1:9", progress=False)
