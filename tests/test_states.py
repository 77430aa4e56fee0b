"""What is said of the states of a dataset."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.states import angles_of

NAMES = ["joint", "joint angle", "angle", "angle of it", "speed"]


def of(periodic=None):
    attrs = {} if periodic is None else {"periodic": periodic}
    return angles_of(xr.Dataset(coords={"state": NAMES}, attrs=attrs)).tolist()


@pytest.mark.parametrize(
    ("periodic", "expected"),
    [
        (None, []),
        ("[]", []),
        ('["joint angle", "speed"]', ["joint angle", "speed"]),
        ('["angle of it"]', ["angle of it"]),
        ("speed", ["speed"]),
        ("angle speed", ["angle", "speed"]),
        ("joint angle speed", ["joint angle", "speed"]),
        ("speed angle of it joint", ["speed", "angle of it", "joint"]),
        ("gone angle", ["angle"]),
    ],
)
def test_angles_are_read_from_lists_and_from_names_joined_with_blanks(periodic, expected):
    assert of(periodic) == [name in expected for name in NAMES]


def test_names_with_blanks_survive_a_file(tmp_path):
    field = fpa.vector_field(
        lambda x, u: -jnp.sin(x),
        state=["joint angle", "b"],
        periodic=["joint angle"],
        time_domain="continuous",
    )
    ds = fpa.find_fixed_points(field, candidates=np.zeros((1, 2)), progress=False, spectra=False)
    fpa.save(ds, tmp_path / "points.nc")
    assert angles_of(fpa.open_dataset(tmp_path / "points.nc")).tolist() == [True, False]
