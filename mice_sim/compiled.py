"""Where compiled kernels are kept: numba refuses to compile for a cache where it finds no folder to write to."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path


def find_a_folder() -> None:
    """Give numba a folder of this process and its workers, if it could write neither beside the modules nor at home.

    That is so in containers with unknown users and on clusters with read-only installations. Must run before a kernel
    is loaded.
    """
    places = Path(__file__).with_name("__pycache__"), _home() / "numba"
    if "NUMBA_CACHE_DIR" in os.environ or any(map(_is_writable, places)):
        return
    folder = tempfile.mkdtemp(prefix="mice_sim-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = folder
    if numba := sys.modules.get("numba"):
        numba.config.reload_config()
    warnings.warn(
        "mice_sim can keep its compiled kernels neither where it is installed nor at home, so every process compiles "
        "them anew; set NUMBA_CACHE_DIR to a folder that you can write to.",
        stacklevel=3,
    )


def _home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
