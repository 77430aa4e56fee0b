"""Hostile files do nothing, cost little, and get one error that names the argument."""

import resource
import time

import hostile
import pytest

from fpanalysis.load import load


@pytest.mark.parametrize("what", hostile.HOSTILE)
def test_hostile_files(tmp_path, monkeypatch, what):
    content, expected = hostile.HOSTILE[what]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").write_bytes(content)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError, match=expected) as error:
        load("model")
    assert str(error.value).startswith(("path: ", "source: "))
    assert len(str(error.value)) < 1000
    assert not (tmp_path / hostile.EVIL).exists()
    assert time.perf_counter() - start < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**19  # KiB
