"""The same training step in what else one might teach with: how many times minibn's time.

    python benchmarks/peers.py                          batch 5 and 128; about ten minutes
    python benchmarks/peers.py --batch 5 --quick        a first impression
    python benchmarks/peers.py --peers autograd jax     some of them

autograd differentiates a NumPy forward (strided windows, one matrix product, BN composed of
means), JAX's whole step is jitted, PyTorch runs eagerly in both memory formats, torch-compile with
its default settings (it needs a C++ compiler).  autograd-flat writes the product `windows @ w` as
`np.dot` of flattened windows, which autograd differentiates several times faster.
What is not installed is left out.
"""

from __future__ import annotations

import argparse

import command
import turns
from tables import disturbance, machine_text, ms_text, spread_text, table

PEERS = ("torch", "torch-channels-last", "torch-compile", "jax", "autograd", "autograd-flat")


def report(results: dict) -> str:
    rows = []
    for result in results["batches"]:
        for peer in result["contenders"]:
            rows.append([str(result["batch"]), peer["contender"], ms_text(peer["ms"]),
                         spread_text(peer["over_minibn"], 2),
                         f"{peer['over_minibn']['fastest']:.2f}"])
    return "\n\n".join([
        machine_text(results["machine"]) + f". Width {results['width']}, bn.",
        table(["batch", "contender", "ms", "times minibn's", "of fastest"], rows),
        *disturbance(results["batches"]),
    ])


def measure(batch: int, args: argparse.Namespace) -> dict:
    workers = turns.sitting([(name, "bn") for name in ("minibn", *args.peers)], batch, args)
    return {
        "batch": batch,
        **turns.disturbed(workers),
        "contenders": [
            {
                "contender": worker.name,
                "ms": turns.milliseconds(worker),
                "over_minibn": turns.paired_ratio(worker, workers[0]),
            }
            for worker in workers
        ],
    }


def main() -> None:
    p = command.parser(__doc__, batches=[5, 128], rounds=3)
    p.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    p.set_defaults(device="cpu")
    command.run(p, p.parse_args(), measure, report)


if __name__ == "__main__":
    main()
