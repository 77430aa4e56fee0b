"""The fixed points of the bundled GRU flip-flop network: a table, a netCDF file and a page to look at.

Run with `make demo`, or `python examples/demo.py [directory]`.
"""

import sys
from pathlib import Path

import numpy as np

import fpanalysis as fpa

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Fixed points of a GRU that remembers three bits</title>
<style>
  body {{ font-family: system-ui, sans-serif; color: #222; }}
  body {{ max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
  figure {{ margin: 2rem 0; }}
  figcaption {{ line-height: 1.5; margin-top: 1rem; }}
</style>
</head>
<body>
<h1>Fixed points of a GRU that remembers three bits</h1>
<p>{summary}</p>
<figure>{points}<figcaption>The fixed points along their first three principal components. Each of the eight
stable points holds one memory; the saddles between them are left along as many directions as bits are
undecided there.</figcaption></figure>
<figure>{spectrum}<figcaption>The eigenvalues of the network's linearisation at each point. Inside the unit
circle a disturbance dies out; outside it grows.</figcaption></figure>
</body>
</html>
"""


def rows(ds):
    """Yield one line of text for each fixed point."""
    yield "   #  kind    unstable   |λ₁|   time constant   readout               residual   hits"
    for i in range(ds.n_fixed_points.item()):
        point = ds.isel(fixed_point=i)
        kind = "stable" if point.is_stable.item() else "saddle"
        first = abs(point.eigenvalue.values[0])
        steps = point.time_constant.values[0]
        readout = "  ".join(f"{value:+.2f}" for value in point.y.values)
        yield (
            f"{i:4}  {kind}  {point.n_unstable.item():8}  {first:.4f}  {steps:7.1f} steps   {readout}"
            f"   {point.residual.item():8.1e}  {point.n_hits.item():5}"
        )


def page(ds, summary):
    """Return a web page with both figures that needs nothing else to be looked at."""
    figures = {}
    for name, figure in (("points", fpa.plot.fixed_points(ds)), ("spectrum", fpa.plot.spectrum(ds))):
        # plotly.js goes in once, with the first figure.
        figures[name] = figure.to_html(
            full_html=False,
            include_plotlyjs=not figures,
            include_mathjax=False,
            config={"displaylogo": False, "responsive": True},
        )
    return PAGE.format(summary=summary, **figures)


def main(directory):
    """Find the points, print the table and write `fixed_points.nc` and `fixed_points.html`."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    ds = fpa.find_fixed_points(fpa.datasets.flipflop("gru"))

    for row in rows(ds):
        print(row)
    residual = np.nanmax(ds.residual.values)
    summary = (
        f"{ds.n_fixed_points.item()} fixed points, {int(ds.is_stable.sum())} of them stable, found from "
        f"{ds.n_candidates.item():,} starts; the largest residual is {residual:.1e}."
    )
    print(f"\n{summary}")

    fpa.save(ds, directory / "fixed_points.nc")
    (directory / "fixed_points.html").write_text(page(ds, summary), encoding="utf-8")
    print(f"written: {directory / 'fixed_points.nc'}, {directory / 'fixed_points.html'}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "demo")
