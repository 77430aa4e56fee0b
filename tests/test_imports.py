"""What imports what: read from the syntax tree, and seen in a fresh interpreter."""

import ast
import json
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = "fpanalysis"

# Modules that work on arrays only, as prefixes.
ARRAYS = (
    "_cells",
    "_numerics",
    "_rounding",
    "accurate_products",
    "arithmetic",
    "candidates",
    "cell_weights",
    "control.controller",
    "control.fields",
    "control.network",
    "control.plants",
    "control.rollout",
    "control.tasks",
    "control.trials",
    "folds",
    "labels",
    "linearization",
    "matching",
    "minima",
    "neighbours",
    "nonnormality",
    "peaks",
    "projection",
    "search",
    "shift",
    "slow",
    "solvers",
    "spectra",
    "spectrum",
    "training.build",
    "training.failure",
    "training.losses",
    "training.selection",
    "training.step",
    "trajectories",
    "transitions",
    "unique",
    "vector_field",
    "verify",
    "visits",
)


def _name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(SOURCE.rglob("*.py"))}


def _type_checking_only(tree: ast.AST) -> set[ast.AST]:
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            inside.update(child for statement in node.body for child in ast.walk(statement))
    return inside


def imported(module: str) -> set[str]:
    """Return the full names that a module imports anywhere in its code, those for type checkers aside."""
    path = MODULES[module]
    tree = ast.parse(path.read_text())
    ignored = _type_checking_only(tree)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = set()
    for node in ast.walk(tree):
        if node in ignored:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                below = f"{base}.{alias.name}"
                names.add(below if below in MODULES else base)
    return names


def _third_party(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imported(module)}


def _within(module: str, prefixes: tuple[str, ...]) -> bool:
    local = module.removeprefix(f"{PACKAGE}.")
    return any(local == prefix or local.startswith(f"{prefix}.") for prefix in prefixes)


def test_the_reader_of_imports_sees_them():
    assert f"{PACKAGE}.labels" in imported(f"{PACKAGE}.vector_field")
    assert "jax" in _third_party(f"{PACKAGE}.vector_field")


@pytest.mark.parametrize("module", [name for name in MODULES if _within(name, ARRAYS)])
def test_array_modules_know_neither_datasets_nor_figures(module):
    assert not _third_party(module) & {"xarray", "plotly", "pandas", "netCDF4"}


@pytest.mark.parametrize("module", [name for name in MODULES if _within(name, ("plot",))])
def test_plots_read_datasets_only(module):
    assert not _third_party(module) & {"jax", "equinox", "optimistix", "diffrax"}
    ours = {name for name in imported(module) if name.startswith(PACKAGE)}
    plain = (
        "_files",
        "_messages",
        "_rounding",
        "dataset",
        "measures",
        "projection",
        "rows",
        "schema",
        "spectra.stability",
        "states",
    )
    allowed = (f"{PACKAGE}.plot", *(f"{PACKAGE}.{name}" for name in plain))
    assert all(name.startswith(allowed) for name in ours), ours


@pytest.mark.parametrize("module", [name for name in MODULES if _within(name, ("control", "training"))])
def test_training_knows_nothing_of_analysis(module):
    analysis = (
        "find",
        "search",
        "solvers",
        "unique",
        "verify",
        "annotate",
        "minima",
        "slow",
        "spectra",
        "spectrum",
        "plot",
    )
    assert not any(_within(name, analysis) for name in imported(module) if name.startswith(PACKAGE))


@pytest.mark.parametrize(
    "module",
    [name for name in MODULES if not _within(name, ("records", "cli", "cli_db", "cli_fig", "cli_store"))],
)
def test_nothing_knows_of_the_records_store(module):
    ours = {name for name in imported(module) if name.startswith(f"{PACKAGE}.records")}
    assert ours <= ({f"{PACKAGE}.records.filters"} if module == PACKAGE else set())


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_the_command_line_or_the_package_itself(module):
    allowed = {PACKAGE} if module == PACKAGE else set()
    assert not imported(module) & ({PACKAGE, f"{PACKAGE}.cli"} - allowed)


def test_imports_never_go_in_circles():
    graph = {module: (imported(module) & MODULES.keys()) - {module} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imports go in a circle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("module", MODULES)
def test_files_stay_short(module):
    assert len(MODULES[module].read_text().splitlines()) <= 400


SEEN_ON_IMPORT = """
import json, sys
import jax
before = dict(jax.config.values)
import fpanalysis
after = dict(jax.config.values)
late = ("plotly", "torch", "netCDF4", "diffrax", "optax", "pydantic", "yaml", "typer", "sqlalchemy")
heavy = [name for name in late if name in sys.modules]
changed = [name for name in after if after[name] != before.get(name)]
print(json.dumps({"heavy": heavy, "changed": changed}))
"""


def test_importing_is_quiet_light_and_changes_no_jax_setting():
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SEEN_ON_IMPORT], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert json.loads(run.stdout) == {"heavy": [], "changed": []}, "importing printed or did more than it may"
