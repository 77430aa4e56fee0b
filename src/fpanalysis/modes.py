"""What modes are about: which inputs drive them, which outputs show them, and how disturbances may grow."""

import warnings

import numpy as np
import xarray as xr

from fpanalysis._rounding import usual_errors
from fpanalysis.dataset import time_domain, variables
from fpanalysis.follow import follow
from fpanalysis.nonnormality import henrici, initial_growth, peak_growth
from fpanalysis.rows import rows_of
from fpanalysis.schema import Kind
from fpanalysis.shift import SINGULAR, shifts
from fpanalysis.spectrum import Spectrum

# What full spectra are, in the order of `Spectrum` after the Jacobian.
_SPECTRUM = ("jacobian", "eigenvalue", "right_eigenvector", "left_eigenvector", "eigenvalue_condition")


def modes(ds: xr.Dataset, dim: str | None = None) -> xr.Dataset:
    """Add to a result what drives its modes, what shows them, and how far they are from orthogonal.

    Args:
        ds: a result with full spectra, as `find_fixed_points` or `eigendecompose` makes it.
        dim: a condition along which modes are to be followed as well, such as `"context"`; see `follow`.

    Returns:
        The dataset with, after the conditions,

        - `mode_input` `(fixed_point, mode, input)`, complex: `w^H ∂F/∂u`, how much a unit of each input
          drives each mode, and `mode_output` `(fixed_point, output, mode)`, complex: `∂y/∂x v`, how much
          each output shows of it; absent where the model has no inputs or outputs;
        - `henrici` `(fixed_point)`: distance from normality, from 0 to 1;
        - `initial_growth` `(fixed_point)`: the fastest growth of a disturbance at the very beginning, as a
          factor per step, in continuous time as a rate in 1/s;
        - `peak_growth` `(fixed_point)`: the largest factor by which a disturbance grows before it decays,
          infinite where the point is not stable;
        - with `dim`, what `follow` adds.

        Modes that are defective have no left vector to be driven along: `mode_input` is NaN there, and
        `is_defective` says why.

    Raises:
        ValueError: the dataset has no full spectra, or no such dim.

    Warns:
        UserWarning: Jacobians are not finite, or amplify rounding too much; what follows from them is NaN.

    Sources:
        Henrici 1962, Numerische Mathematik 4; Trefethen and Embree 2005, Spectra and Pseudospectra.

    Example:
        >>> import fpanalysis as fpa
        >>> ds = fpa.modes(fpa.find_fixed_points(fpa.datasets.flipflop("gru"), progress=False))
        >>> memories = ds.isel(fixed_point=ds.is_stable.values)
        >>> bool((memories.initial_growth <= memories.peak_growth + 1e-12).all())
        True
    """
    with usual_errors():
        rows = rows_of(ds)
        _check(ds, _SPECTRUM, "full spectra")
        if dim is not None:
            rows = rows_of(follow(ds, dim))
        used, domain = rows.used, time_domain(ds)
        jacobian, eigenvalue = rows.jacobian(used), rows.of("eigenvalue", used)
        if eigenvalue.shape[1] != jacobian.shape[1]:
            raise ValueError(
                f"ds: expected all {jacobian.shape[1]} modes, got {eigenvalue.shape[1]}: how a disturbance "
                "grows depends on all of them; select modes afterwards"
            )
        if unknown := int((~np.isfinite(jacobian).all(axis=(1, 2))).sum()):
            warnings.warn(
                f"modes: the Jacobians of {unknown} of {len(jacobian)} points are not finite; what follows "
                "from them is NaN",
                stacklevel=2,
            )
        spectrum = Spectrum(eigenvalue, *(rows.of(name, used) for name in _SPECTRUM[2:]))
        margin = rows.of("stability_margin", used) if "stability_margin" in ds else None
        rate = "1/s" if domain == "continuous" else "1"
        made: dict[str, tuple[np.ndarray, str | None]] = {
            "henrici": (henrici(jacobian, spectrum.eigenvalue), None),
            "initial_growth": (initial_growth(jacobian, domain), rate),
            "peak_growth": (peak_growth(jacobian, spectrum, domain, margin), None),
        }
        if "input_jacobian" in ds:
            drive = spectrum.left.conj() @ rows.of("input_jacobian", used)
            drive[rows.of("is_defective", used)] = np.nan
            made["mode_input"] = (drive, None)
        if "output_jacobian" in ds:
            made["mode_output"] = (rows.of("output_jacobian", used) @ spectrum.right, None)
        return rows.added(variables(rows.dims, used, made))


def sensitivity(ds: xr.Dataset) -> xr.Dataset:
    """Add to a result how far each fixed point moves per unit of each input.

    A small change `du` of the input moves the point by `(I − J)⁻¹ B du`, in continuous time by `−J⁻¹ B du`,
    with `J = ∂F/∂x` and `B = ∂F/∂u` (the implicit function theorem). One linear system is solved for each
    point.

    Args:
        ds: a result with Jacobians, as `find_fixed_points` or `linearize` makes it.

    Returns:
        The dataset with `sensitivity` `(…, fixed_point, state, input)`, in units of the state per unit of the
        input; with `output_sensitivity` `(…, fixed_point, output, input)` where the model has a readout; and
        with `sensitivity_condition` `(…, fixed_point)`, the condition number of the system. It tells how
        many digits are lost, whatever the units of the state's entries, and is infinite where `is_isolated`
        is False. Above 1e12, at a fold or on a line attractor, all sensitivities of a point are infinite.
        Slow points are no points that could move; their rows are NaN.

    Raises:
        ValueError: the dataset has no `jacobian`, or the model no inputs.

    Warns:
        UserWarning: a system is singular to rounding; its sensitivities are infinite.

    Example:
        >>> import fpanalysis as fpa, xarray as xr
        >>> decay = fpa.vector_field(
        ...     lambda x, u: -2.0 * x + u, state=["v"], inputs=["i"], time_domain="continuous"
        ... )
        >>> ds = fpa.find_fixed_points(decay, progress=False)
        >>> fpa.sensitivity(ds).sensitivity.values.tolist()
        [[[0.5]]]
    """
    with usual_errors():
        rows = rows_of(ds)
        _check(ds, ("jacobian",), "Jacobians")
        if "input_jacobian" not in ds:
            raise ValueError("ds: the model has no inputs that its points could depend on")
        fixed = rows.kind == Kind.FIXED
        isolated = rows.of("is_isolated", fixed) if "is_isolated" in ds else None
        found = shifts(rows.jacobian(fixed), rows.of("input_jacobian", fixed), time_domain(ds), isolated)
        made = {"sensitivity": found.shift, "sensitivity_condition": found.condition}
        if "output_jacobian" in ds:
            with np.errstate(invalid="ignore"):  # of infinite shifts
                change = rows.of("output_jacobian", fixed) @ found.shift
            made["output_sensitivity"] = np.where(found.condition[:, None, None] > SINGULAR, np.inf, change)
        if singular := int((found.condition > SINGULAR).sum()):
            warnings.warn(
                f"sensitivity: the systems of {singular} of {len(found.condition)} points are singular to "
                f"rounding (sensitivity_condition above {SINGULAR:g}): at a fold or along a line attractor "
                "no finite shift follows from the Jacobian",
                stacklevel=2,
            )
        return rows.added(variables(rows.dims, fixed, {name: (each, None) for name, each in made.items()}))


def _check(ds: xr.Dataset, names: tuple[str, ...], what: str) -> None:
    if missing := [name for name in names if name not in ds]:
        raise ValueError(
            f"ds: expected a result with {what}, but {missing[0]!r} is missing; call find_fixed_points with "
            "spectra='full', or linearize and eigendecompose"
        )
