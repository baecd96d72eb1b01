"""One training step of the paper's ALL-CNN in minibn and in PyTorch, side by side.

    python benchmarks/train_step.py                     batch 1, 5, 10, 128; about five minutes
    python benchmarks/train_step.py --quick             a first impression
    python benchmarks/train_step.py --profile           where minibn's step spends its time
    python benchmarks/train_step.py --device gpu        CuPy against PyTorch on CUDA
    python benchmarks/train_step.py --json FILE         save; --markdown FILE prints it again

The step is forward, loss, backward and momentum update in float32, on fixed random images, with
each library's default number of threads.  PyTorch runs in both memory formats and the faster one
counts.  Times are median (lower quartile–upper quartile); ratios are those of neighboring turns,
and "of fastest" compares each library's fastest step, which a busy machine disturbs least.
"""

from __future__ import annotations

import argparse

import breakdown
import command
import turns
from tables import distances, disturbance, machine_text, ms_text, spread_text, table

NORMS = ("bn", "renorm_debias")
PYTORCH = ("torch", "torch-channels-last")


def measure(batch: int, args: argparse.Namespace) -> dict:
    """All figures of one batch size, as they go into the JSON file."""
    asked = [(name, norm) for norm in args.norm for name in ("minibn", *PYTORCH)]
    workers = turns.sitting([("matmul", "-"), *asked], batch, args)
    matmul, *workers = workers
    best_product = turns.milliseconds(matmul)["median"]
    result = {
        "batch": batch,
        **turns.disturbed([matmul, *workers]),
        "gflop_s": matmul.about["flops"] / best_product / 1e6,
        "norms": [],
    }
    ours = {w.norm: w for w in workers if w.name == "minibn"}
    for norm in args.norm:
        compared = [ours[norm]]
        row = {"norm": norm}
        if peers := [w for w in workers if w.norm == norm and w.name in PYTORCH]:
            compared.append(turns.fastest(peers))
            row["ratio"] = turns.paired_ratio(*compared)
        row["steps"] = [figures(worker, result["gflop_s"], args) for worker in compared]
        result["norms"].append(row)
    if set(NORMS) <= set(ours):
        result["renorm_debias_over_bn"] = turns.paired_ratio(ours["renorm_debias"], ours["bn"])
    return result


def figures(worker: turns.Worker, machine_gflop_s: float, args: argparse.Namespace) -> dict:
    """One contender's time, throughput and memory."""
    ms = turns.milliseconds(worker)
    row = {
        "contender": worker.name,
        "ms": ms,
        "images_s": worker.batch / ms["median"] * 1e3,
        "share": worker.about["flops"] / ms["median"] / 1e6 / machine_gflop_s,
    }
    if args.device == "cpu":
        row |= turns.memory(worker.name, worker.batch, args.width, worker.norm)
    return row


def compare_sizes(args: argparse.Namespace) -> dict:
    """minibn's time per image at batch 128 over that at batch 10, if both are asked for."""
    if not {10, 128} <= set(args.batch):
        return {}
    with (
        turns.Worker("minibn", 128, args.width, "bn", args.device) as large,
        turns.Worker("minibn", 10, args.width, "bn", args.device) as small,
    ):
        turns.alternate([large, small], args)
    return {"per_image_128_over_10": turns.paired_ratio(large, small, scale=10 / 128)}


def report(results: dict) -> str:
    """The tables for the terminal and the README."""
    time_rows, memory_rows, lines = [], [], []
    for result in results["batches"]:
        for row in result["norms"]:
            label = [str(result["batch"]), row["norm"]]
            ours, *peer = row["steps"]
            peer = peer[0] if peer else None
            time_rows.append([
                *label,
                ms_text(ours["ms"]),
                ms_text(peer["ms"]) + (" cl" if "last" in peer["contender"] else "")
                if peer else "–",
                spread_text(row["ratio"], 2) if peer else "–",
                f"{row['ratio']['fastest']:.2f}" if peer else "–",
                *(f"{step['images_s']:.0f}" if step else "–" for step in (ours, peer)),
                *(f"{step['share']:.0%}" if step else "–" for step in (ours, peer)),
            ])
            if peer:
                lines += distances(f"Batch {label[0]}, {label[1]}, minibn over PyTorch",
                                   row["ratio"])
            if ours.get("peak_mib"):
                memory_rows.append([
                    *label,
                    *(f"{step[key]:.0f}" if step else "–"
                      for step in (ours, peer) for key in ("peak_mib", "import_mib")),
                ])
        if "renorm_debias_over_bn" in result:
            lines.append(f"Batch {result['batch']}: renorm_debias over bn in minibn: "
                         f"{spread_text(result['renorm_debias_over_bn'], 3)}.")
    if ratio := results.get("per_image_128_over_10"):
        lines.append(f"Time per image at batch 128 over batch 10 in minibn: "
                     f"{spread_text(ratio, 2)}.")
    lines += disturbance(results["batches"])
    rates = [result["gflop_s"] for result in results["batches"]]
    parts = [
        machine_text(results["machine"]) + f". Width {results['width']}. "
        f"A large float32 matrix product: {min(rates):.0f}–{max(rates):.0f} GFLOP/s.",
        table(["batch", "norm", "minibn ms", "PyTorch ms", "ratio", "of fastest",
               "images/s", "PyTorch",
               "share of product rate", "PyTorch"], time_rows),
        "(cl: channels_last was PyTorch's faster memory format.)",
    ]
    if memory_rows:
        parts.append(table(["batch", "norm", "minibn peak MiB", "of which imports",
                            "PyTorch peak MiB", "of which imports"], memory_rows))
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in lines)]).rstrip()


def profile(batch: int, norm: str, args: argparse.Namespace) -> str:
    """Where one step of minibn spends its time, measured in a process of its own."""
    parts = breakdown.in_own_process(batch, args.width, norm)
    total = sum(parts["ms"].values())
    rows = [[name, f"{ms:.2f}", f"{ms / total:.0%}"] for name, ms in parts["ms"].items()]
    rows.append(["sum", f"{total:.2f}", f"untraced {parts['untraced_ms']:.2f}"])
    lines = [[where, f"{ms:.2f}", code] for where, ms, code in parts["lines"]]
    return "\n\n".join([
        f"batch {batch}, {norm}:",
        table(["part", "ms", "share"], rows),
        table(["slowest lines", "ms", "code"], lines),
    ])


def main() -> None:
    p = command.parser(__doc__, batches=[1, 5, 10, 128], rounds=5)
    p.add_argument("--norm", nargs="+", choices=NORMS, default=list(NORMS))
    p.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    p.add_argument("--profile", action="store_true", help="per-part times of minibn, nothing else")
    args = p.parse_args()
    if not args.profile:
        command.run(p, args, measure, report, compare_sizes)
    elif args.device == "gpu":
        p.error("--profile measures on the CPU only")
    else:
        for batch in args.batch:
            for norm in args.norm:
                print(profile(batch, norm, args), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
