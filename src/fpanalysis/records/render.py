"""Figures to images, in a process of its own: what it reads and writes is JSON, and it can be killed.

It runs as a script and imports nothing of this package.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any


async def rendered(jobs: list[dict[str, str]], seconds: float) -> dict[str, Any]:
    """Draw each job's figure, a file of plotly JSON, into its target; one browser draws them all."""
    try:
        import kaleido
    except ImportError:
        return {"problem": "no kaleido"}
    from choreographer.errors import ChromeNotFoundError

    errors: dict[str, str] = {}
    try:
        # Plotly's script comes from its package, and without MathJax nothing is fetched from elsewhere.
        async with kaleido.Kaleido(n=1, timeout=seconds, mathjax=False) as browser:
            for job in jobs:
                try:
                    await browser.write_fig_from_object(_drawing(job), cancel_on_error=True)
                except Exception as error:  # the others may go well
                    errors[job["target"]] = f"{type(error).__name__}: {error}"
    except ChromeNotFoundError as error:
        return {"problem": "no browser", "message": str(error)}
    except Exception as error:
        return {"problem": "broken", "message": f"{type(error).__name__}: {error}"}
    return {"errors": errors}


def _drawing(job: dict[str, str]) -> Any:
    figure = json.loads(Path(job["figure"]).read_text(encoding="utf-8"))
    layout = figure.get("layout", {})
    size = {name: layout[name] for name in ("width", "height") if name in layout}
    return {"fig": figure, "path": job["target"], "opts": {"format": job["format"], **size}}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    answer = asyncio.run(rendered(asked["jobs"], asked["seconds"]))
    Path(asked["answer"]).write_text(json.dumps(answer), encoding="utf-8")
