"""The code that readers are shown runs: README, documentation pages, and the demo."""

import doctest
import re
import runpy
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT / "docs", ROOT / "docs" / "how_to", ROOT / "docs" / "explanation"]
PAGES = [ROOT / "README.md", *(page for folder in FOLDERS for page in sorted(folder.glob("*.md")))]
FENCE = re.compile(r"^```(python|pycon|\{code-cell\})[ ]*\n((?::.*\n)*)(.*?)^```", re.DOTALL | re.MULTILINE)

pytestmark = pytest.mark.docs


def _blocks(page: Path) -> list[tuple[str, str, int]]:
    """Return language, code and first line of every block of Python in a page."""
    text = page.read_text()
    return [(match[1], match[3], text.count("\n", 0, match.start(3)) + 1) for match in FENCE.finditer(text)]


def _run(page: Path) -> None:
    """Run the blocks of a page one after the other, as one session."""
    session: dict = {"__name__": "__main__"}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for language, code, line in _blocks(page):
        if language != "pycon":
            # Leading newlines make errors point at the right line of the page.
            exec(compile("\n" * (line - 1) + code, str(page), "exec"), session)
        else:
            test = doctest.DocTestParser().get_doctest(code, session, page.name, str(page), line - 1)
            result = doctest.DocTestRunner(optionflags=flags).run(test, clear_globs=False)
            assert result.failed == 0, f"{page.name}, line {line}: the output shown is not what comes out"
            session.update(test.globs)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if _blocks(p)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_code_of_page_runs(page, tmp_path, monkeypatch):
    if any("import torch" in code for _, code, _ in _blocks(page)):
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    # As readers have it: the tests are stricter than JAX, and Optax is not made for that.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        _run(page)


def test_demo_writes_its_files(tmp_path, capsys):
    demo = runpy.run_path(str(ROOT / "examples" / "demo.py"))
    demo["main"](tmp_path)
    printed = capsys.readouterr().out
    assert printed.count("saddle") == 19 and printed.count("stable") >= 8
    page = (tmp_path / "fixed_points.html").read_text()
    assert page.count("Plotly.newPlot(") >= 2
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"']?https?:", page)
    assert (tmp_path / "fixed_points.nc").stat().st_size > 0
