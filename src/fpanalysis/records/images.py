"""Figures to PNG, SVG and PDF: many with one browser, which is killed if it hangs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fpanalysis._files import whole_file

FORMATS = ("svg", "png", "pdf")
# How long a browser may take to start, and then for each image, in seconds.
_START, _EACH = 60.0, 15.0
_INSTEAD = "or leave out the formats svg, png and pdf"


class Image(NamedTuple):
    """An image to draw.

    Attributes:
        figure: plotly's JSON.
        format: `svg`, `png` or `pdf`.
        path: where to.
    """

    figure: str
    format: str
    path: Path


def write_images(images: Sequence[Image]) -> None:
    """Draw images; each file is whole or absent.

    Raises:
        ImportError: kaleido is not installed.
        RuntimeError: there is no browser, it did not answer, or it could not draw some of the images; the
            others are there then.
    """
    if not images:
        return
    with tempfile.TemporaryDirectory(prefix="fpanalysis-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        drawn = [folder / f"{i}.{image.format}" for i, image in enumerate(images)]
        jobs = []
        for image, target in zip(images, drawn, strict=True):
            figure = target.with_suffix(".json")
            figure.write_text(image.figure, encoding="utf-8")
            jobs.append({"figure": str(figure), "target": str(target), "format": image.format})
        errors = _drawn(jobs, folder)
        for image, target in zip(images, drawn, strict=True):
            if target.exists() and str(target) not in errors:
                with whole_file(image.path) as partial:
                    shutil.copyfile(target, partial)
    failed = [image.path.name for image in images if not image.path.exists()]
    if failed:
        reason = next(iter(errors.values()), "no file was written")
        raise RuntimeError(
            f"formats: {len(failed)} of {len(images)} images could not be drawn; first {failed[0]}: {reason}"
        )


def _drawn(jobs: list[dict[str, str]], folder: Path) -> dict[str, str]:
    """Draw images into a folder; return by target why one could not be drawn."""
    told = folder / "answer.json"
    asked = {"jobs": jobs, "seconds": _EACH, "answer": str(told)}
    complaint = _run(json.dumps(asked), _START + _EACH * len(jobs))
    answer: dict[str, Any] = {"problem": "broken", "message": complaint.strip()[-500:]}
    if told.exists():
        answer = json.loads(told.read_text(encoding="utf-8"))
    problem = answer.get("problem")
    if problem == "no kaleido":
        raise ImportError(f"formats: images need kaleido: pip install 'fpanalysis[export]', {_INSTEAD}")
    if problem == "no browser":
        raise RuntimeError(
            "formats: images are drawn by Chrome or Chromium, and none was found. Install one (on Debian and "
            "Ubuntu: apt-get install chromium; or run kaleido_get_chrome), or say where it is in the "
            f"environment variable BROWSER_PATH, {_INSTEAD}"
        )
    if problem is not None:
        raise RuntimeError(f"formats: the browser that draws images failed ({answer['message']}); {_INSTEAD}")
    return answer["errors"]


def _run(asked: str, limit: float) -> str:
    """Run the script that draws; return what it complained about."""
    script = Path(__file__).with_name("render.py")
    process = subprocess.Popen(
        [sys.executable, "-P", str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that the browser can be killed with it
    )
    try:
        return process.communicate(asked, timeout=limit)[1]
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(
            f"formats: the browser that draws images did not answer within {limit:.0f} s, and was stopped; "
            f"try again, {_INSTEAD}"
        ) from error
    finally:
        _kill(process)


def _kill(process: subprocess.Popen) -> None:
    """End a process, and on POSIX all that it started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):  # it ended by itself, and all the others too
        pass
    process.wait()
    for stream in (process.stdin, process.stderr):
        if stream is not None and not stream.closed:
            stream.close()
