"""Strict settings for the tests, and the networks that many of them use."""

import atexit
import os
import shutil
import tempfile

import hypothesis
import jax
import jaxtyping
import pytest

# What one test has compiled, the others find, in all processes of a run: compiling is most of what tests do.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="fpanalysis-tests-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.02"
jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.02)

# Both catch slips in our own code; the package must work with and without them.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# The same examples in every run: a failing test must fail again.
hypothesis.settings.register_profile(
    "fpanalysis", derandomize=True, deadline=None, database=None, max_examples=25, print_blob=False
)
hypothesis.settings.load_profile("fpanalysis")


@pytest.fixture(scope="session")
def gru():
    """Return the bundled GRU flip-flop: 64 units, 27 fixed points under zero input, 8 of them stable."""
    import fpanalysis

    return fpanalysis.datasets.flipflop("gru")


@pytest.fixture(scope="session")
def tanh():
    """Return the bundled tanh flip-flop: 64 units, 27 fixed points under zero input, 8 of them stable."""
    import fpanalysis

    return fpanalysis.datasets.flipflop("tanh")


@pytest.fixture(scope="session")
def lstm():
    """Return the bundled LSTM flip-flop: 64 units, 27 fixed points under zero input, 8 of them stable."""
    import fpanalysis

    return fpanalysis.datasets.flipflop("lstm")


@pytest.fixture(scope="session")
def gru_points(gru):
    """Return the dataset of the GRU flip-flop's fixed points, found with default settings."""
    import fpanalysis

    return fpanalysis.find_fixed_points(gru, progress=False)


@pytest.fixture
def unchecked():
    """Turn off the run-time checks of annotations, to see what our own checks say of a wrong argument."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(autouse=True)
def no_browser(monkeypatch):
    """Draw figures without showing them: a test never opens a browser."""
    from plotly.basedatatypes import BaseFigure

    monkeypatch.setattr(BaseFigure, "show", lambda figure, *args, **kwargs: figure.to_json())
