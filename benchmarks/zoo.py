"""The zoo: systems whose every fixed point is known otherwise, and what the package says of them.

python benchmarks/zoo.py                        the table
python benchmarks/zoo.py --quick                a tenth of the systems
python benchmarks/zoo.py --only GRU scaled      some kinds
python benchmarks/zoo.py --seed 3               another seed of the search
python benchmarks/zoo.py --worst                every system with a fault, and what is wrong
python benchmarks/zoo.py --name "GRU: n=1"      systems whose name begins so, with every remark
python benchmarks/zoo.py --remake               prove all truths anew and write zoo_truth.json

How the truths are known is said in `zoology/boxes.py`, `zoology/piecewise.py` and beside the systems
themselves. `false`: rows that are no fixed point. `twice`: rows of a point that another row has.
`stability`, `isolated`: rows that are labelled wrongly. `short`: rows whose `error` is smaller than the
distance to the true point, known to 20 digits. `loose`: regular points whose `error` is more than 1e-6 of
the scale, degenerate ones more than 1e-2. These must be 0. `error used` is the true distance over `error`,
mean and worst. Empty columns: the version does not have the variable.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from measure import machine
from report import Row, Table, number, show
from zoology.everything import systems
from zoology.judge import Verdict, judge, run
from zoology.system import System
from zoology.truth import Truth, check, prove, read, write

COUNTS = ("false", "twice", "stability", "isolation", "short", "loose")
HEAD = ("kind", "systems", "points", "found", "", *COUNTS, "error used", "worst", "seconds")
WIDTH = (14, 7, 6, 5, 7, 6, 5, 9, 9, 5, 5, 10, 8, 7)


@dataclass(frozen=True)
class Judged:
    """A system, and the verdict on it."""

    system: System
    verdict: Verdict
    has_error: bool


def judged(system: System, truth: Truth, seed: int) -> Judged:
    """Run the package on a system."""
    try:
        ds, seconds = run(system, seed)
    except Exception as error:  # a call that raises is a fault like any other, and the others go on
        verdict = Verdict(points=len(truth.points) + (system.continuum is not None))
        verdict.remarks.append(f"raised {type(error).__name__}: {str(error)[:200]}")
        verdict.false = 1
        return Judged(system, verdict, False)
    verdict = judge(system, truth, ds)
    verdict.seconds = seconds
    return Judged(system, verdict, "error" in ds)


def line(kind: str, results: Sequence[Judged]) -> list[str]:
    """Return one line of the table."""
    verdicts = [result.verdict for result in results]
    total = {name: sum(getattr(v, name) for v in verdicts) for name in (*COUNTS, "points", "found")}
    ratios = [ratio for v in verdicts for ratio in v.ratios]
    known = any(result.has_error for result in results)
    counts = [
        str(total[name]) if known or name not in ("isolation", "short", "loose") else "" for name in COUNTS
    ]
    share = f"{100 * total['found'] / total['points']:.1f} %" if total["points"] else ""
    finite = [ratio for ratio in ratios if np.isfinite(ratio)]
    used = [number(float(np.mean(finite))), number(max(ratios))] if finite else ["", ""]
    seconds = number(sum(v.seconds for v in verdicts))
    return [
        kind,
        str(len(results)),
        str(total["points"]),
        str(total["found"]),
        share,
        *counts,
        *used,
        seconds,
    ]


def aligned(entries: Sequence[str]) -> str:
    """Return one line of the table as text."""
    return "  ".join(
        t.ljust(w) if k == 0 else t.rjust(w) for k, (t, w) in enumerate(zip(entries, WIDTH, strict=True))
    )


def by_kind(pairs: Sequence[tuple[System, Truth]], seed: int) -> Iterator[list[Judged]]:
    """Yield the verdicts kind by kind."""
    for kind in dict.fromkeys(system.kind for system, _ in pairs):
        results = []
        for system, truth in pairs:
            if system.kind == kind:
                check(system, truth)
                results.append(judged(system, truth, seed))
        yield results


def faults(results: Sequence[Judged], every_remark: bool) -> Iterator[str]:
    """Yield what is wrong with each system that has a fault, and how to run it alone."""
    for result in results:
        if not result.verdict.is_right:
            remarks = result.verdict.remarks
            shown = remarks if every_remark else remarks[:3]
            more = [] if len(remarks) == len(shown) else [f"… {len(remarks) - len(shown)} more"]
            yield "\n    ".join([f"--name {result.system.name!r}", *shown, *more])


def musts(results: Sequence[Judged]) -> Table:
    """Return what must hold of all systems together."""
    out = Table("Musts")
    known = any(result.has_error for result in results)
    words = {
        "false": "rows that are no fixed point",
        "twice": "rows of a point that another row has",
        "stability": "rows with a wrong stability",
        "isolation": "rows with a wrong is_isolated",
        "short": "rows with an error below the true distance",
        "loose": "points with an error too large to say anything",
    }
    for name in COUNTS:
        counts = [getattr(result.verdict, name) for result in results]
        total, bad = sum(counts), sum(count > 0 for count in counts)
        if name in ("isolation", "short", "loose") and not known:
            out.rows.append(Row(words[name], "not said", "0"))
            continue
        verdict = "meets must" if total == 0 else f"falls short: {total} in {bad} systems"
        out.rows.append(Row(words[name], str(total), "0", "", verdict))
    points, found = (sum(getattr(r.verdict, name) for r in results) for name in ("points", "found"))
    share = f"{found} of {points}"
    good = "meets aim" if found == points else f"short of aim: {points - found} missed"
    out.rows.append(Row("points found", share, "", "all", good))
    return out


def remake() -> None:
    """Prove every truth and write the file."""
    every, truths = systems(), []
    for system in every:
        start = perf_counter()
        truths.append(truth := prove(system))
        what = "dropped" if truth is None else f"{len(truth.points)} points by {truth.proof}"
        print(f"{system.name}: {what}, {perf_counter() - start:.1f} s", flush=True)
    write(every, truths)
    kept = [truth for truth in truths if truth is not None]
    print(f"{len(kept)} systems, {sum(len(truth.points) for truth in kept)} points")


def chosen(only: Sequence[str] | None, name: str | None, quick: bool) -> list[tuple[System, Truth]]:
    """Return the systems that the command line asks for, with their truths."""
    every = systems()
    truths = read(every)
    kept = [(system, truth) for system in every if (truth := truths[system.name]) is not None]
    if only:
        kept = [(system, truth) for system, truth in kept if system.kind in only]
    if name:
        kept = [(system, truth) for system, truth in kept if system.name.startswith(name)]
    return kept[::10] if quick else kept


def main() -> int:
    """Print the table; return 1 where a must is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = list(dict.fromkeys(system.kind for system in systems()))
    parser.add_argument("--only", nargs="+", choices=kinds, metavar="KIND", help=", ".join(kinds))
    parser.add_argument("--name", help="systems whose name begins so, with every remark")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the search")
    parser.add_argument("--quick", action="store_true", help="every tenth system")
    parser.add_argument("--worst", action="store_true", help="list every system with a fault")
    parser.add_argument("--markdown", action="store_true", help="print the musts as Markdown")
    parser.add_argument("--remake", action="store_true", help="prove all truths anew and write them")
    given = parser.parse_args()
    if given.remake:
        remake()
        return 0
    print("\n".join(machine()) + "\n")
    rule = "─" * (sum(WIDTH) + 2 * len(WIDTH) - 2)
    print(aligned(HEAD), rule, sep="\n", flush=True)
    results: list[Judged] = []
    for some in by_kind(chosen(given.only, given.name, given.quick), given.seed):
        print(aligned(line(some[0].system.kind, some)), flush=True)
        results += some
    print(rule, aligned(line("all", results)), "", sep="\n")
    if given.worst or given.name:
        print(*faults(results, given.name is not None), "", sep="\n")
    must = musts(results)
    print(show(must, given.markdown))
    return int(any("falls short" in row.verdict for row in must.rows))


if __name__ == "__main__":
    sys.exit(main())
