"""The same runs over a real Dask scheduler with two workers on the loopback address."""

import pytest

from minibn.replication import PRESETS
from minibn.replication.conditions import BN_5, DEBIAS_5
from minibn.replication.pool import carry_out_all
from minibn.replication.results import read_result, result_path

distributed = pytest.importorskip("distributed", reason="needs the extra: cluster")

JOBS = [PRESETS["smoke"].run(condition, 0.03, seed)
        for seed in (1, 2) for condition in (BN_5, DEBIAS_5)]


def test_a_cluster_gives_the_results_of_this_machine(tmp_path):
    settings = {"progress": False, "data_dir": None}
    here, there = tmp_path / "here", tmp_path / "there"
    carry_out_all(JOBS, here, tmp_path / "work", processes=2, **settings)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                  host="127.0.0.1", dashboard_address=None) as cluster:
        assert cluster.scheduler_address.startswith("tcp://127.0.0.1:")
        carry_out_all(JOBS, there, tmp_path / "work2",
                      scheduler=cluster.scheduler_address, **settings)
    for job in JOBS:
        a, b = (read_result(result_path(folder, job)) for folder in (here, there))
        assert {**a.history.as_dict(), "seconds": 0} == {**b.history.as_dict(), "seconds": 0}
        assert (a.probes, a.job, a.made["blas_threads"]) == (b.probes, b.job, "1")
        assert b.made["blas_threads"] == "1"


def test_a_scheduler_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("minibn.replication.pool.PATIENCE", "1s")
    with pytest.raises(OSError):
        carry_out_all(JOBS[:1], tmp_path, tmp_path, scheduler="tcp://127.0.0.1:9", progress=False)
