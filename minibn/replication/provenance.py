"""Where the numbers of the registered replication come from: runs in trouble, commits, machines."""

from __future__ import annotations

from collections import Counter

from minibn.replication.results import Results
from minibn.replication.wording import literal

HOW = """\
All runs are of one commit, the tag `replication-medium`. To add the missing ones to \
`results/medium/`:

    git worktree add ../minibn-medium replication-medium
    cd ../minibn-medium
    python -m minibn replicate --preset medium --out ../minibn/results/medium

Finished runs are kept there, one file each; interrupted ones resume from \
`runs/replicate/medium/`. Then, in the clone, `python -m minibn report` writes these pages again."""
NOT_RUN = "*Not run yet.*"


def troubles(results: Results) -> str:
    """Runs that diverged or are stuck, by condition."""
    found = Counter(f"{r.job.condition}{' (search)' if r.job.kind == 'search' else ''}: "
                    + ("diverged" if r.status == "diverged" else "learned nothing")
                    for r in results if r.status == "diverged" or r.stuck)
    if not found:
        return "None." if len(results) else NOT_RUN
    return ("They count in every interval, a diverged run at chance from where it diverged.\n\n"
            + "\n".join(f"- {what}, {number} times" for what, number in sorted(found.items())))


def provenance(results: Results) -> str:
    """Commits, versions, machines and times of all runs."""
    if not len(results):
        return NOT_RUN
    lines = [f"- {name}: " + ", ".join(
        f"{literal(value)} ({count} runs)" for value, count in
        Counter(str(r.made.get(key)) for r in results).most_common())
        for key, name in (("commit", "commit"), ("minibn", "minibn"), ("numpy", "NumPy"),
                          ("python", "Python"), ("processor", "processor"),
                          ("blas_threads", "BLAS threads"))]
    started = sorted(str(r.made.get("started")) for r in results)
    finished = sorted(str(r.made.get("finished")) for r in results)
    resumed = sum(bool(r.made.get("resumed")) for r in results)
    lines += [f"- first run started {literal(started[0])}, last run finished "
              f"{literal(finished[-1])}",
              f"- runs that were interrupted and resumed: {resumed}"]
    return "\n".join(lines)
