"""Programs that some tests need: absent, they skip on a developer's machine and fail where all must run."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

# Set where every test must run.
ALL = "FPANALYSIS_TEST_EVERYTHING"


def absent(what: str) -> None:
    """Skip the test, or fail where every test must run."""
    if os.environ.get(ALL):
        pytest.fail(f"{what} is not installed, and {ALL} is set")
    pytest.skip(f"{what} is not installed")


def browser() -> str:
    """Return the path of Chromium or Chrome."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            return path
    absent("chromium")
    raise AssertionError


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL server that listens to a socket only; yield the URL of a database in it."""
    initdb, postgres = (_program(name) for name in ("initdb", "postgres"))
    # The server refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    folder = Path(
        tempfile.mkdtemp(prefix="fpa-pg-", dir="/tmp")
    )  # the path of a socket has 107 bytes at most
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data = str(folder / "data")
    command = [initdb, "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder)
    command = [postgres, "-D", data, "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd=folder
    )
    try:
        _wait(str(folder), server)
        yield f"postgresql://tester@/postgres?host={folder}"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    path = shutil.which(name) or (str(found[-1]) if found else None)
    if path is None:
        absent("postgresql")
        raise AssertionError
    return path


def _wait(folder: str, server: subprocess.Popen) -> None:
    for _ in range(150):
        assert server.poll() is None, "PostgreSQL ended at once"
        try:
            psycopg.connect(host=folder, user="tester", dbname="postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            try:
                server.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        else:
            return
    raise AssertionError("PostgreSQL did not answer")
