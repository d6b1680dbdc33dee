"""Multivariate normal data with given means, standard deviations and correlations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from mice_sim import streams
from mice_sim.data import Column, Table
from mice_sim.errors import MiceSimError
from mice_sim.study.populations.base import Population, check_keys, number, whole


def mvn(config: Mapping[str, Any], seed: int) -> Population:
    """{kind: mvn, names: [x, y], mean: 0, sd: 1, correlation: 0.5, rows: 1000}.

    `mean` and `sd` are one number or one for each name; `correlation` is one number or the whole matrix.

    The reference are `rows` exemplary rows (O'Brien & Muller 1993): their mean, standard deviation (n − 1) and
    correlations equal the parameters, so whatever is a function of these is exact, such as a linear model without
    interactions. Shape and tails are those of a random sample.
    """
    check_keys("data", config, ["kind", "names"], ["mean", "sd", "correlation", "rows"])
    names = _names(config["names"])
    mean = _numbers("mean", config.get("mean", 0), names)
    sd = _numbers("sd", config.get("sd", 1), names, above=0)
    root = sd[:, None] * _root(_matrix(config.get("correlation", 0), names))
    rows = whole("data.rows", config.get("rows", 1000), len(names) + 1)
    columns = tuple(Column(name, "continuous", None, np.dtype(float)) for name in names)

    def table(z: np.ndarray) -> Table:
        return Table(columns, mean[:, None] + root @ z)

    def draw(n: int, rng: np.random.Generator) -> Table:
        return table(rng.standard_normal((len(names), n)))

    exemplary = _whitened(streams.stream(seed, "reference").standard_normal((len(names), rows)))
    exact = "means, standard deviations, correlations, and linear models without interactions"
    return Population(table(exemplary), rows, draw, exact=exact)


def _names(given: Any) -> list[str]:
    names = [str(name) for name in given] if isinstance(given, list | tuple) else []
    if not names or len(set(names)) < len(names):
        raise MiceSimError(f"data.names is {given!r}; list different column names, such as [x, y].")
    return names


def _numbers(key: str, given: Any, names: list[str], above: float = -np.inf) -> np.ndarray:
    values = given if isinstance(given, list | tuple) else [given] * len(names)
    if len(values) != len(names):
        raise MiceSimError(f"data.{key} has {len(values)} numbers for {len(names)} names; give one, or one for each.")
    return np.array([number(f"data.{key} of '{n}'", v, above=above) for n, v in zip(names, values, strict=True)])


def _matrix(given: Any, names: list[str]) -> np.ndarray:
    k = len(names)
    if not isinstance(given, list | tuple):
        return np.where(np.eye(k) == 1, 1, number("data.correlation", given))
    if len(given) != k or any(not isinstance(row, list | tuple) or len(row) != k for row in given):
        raise MiceSimError(f"data.correlation is not {k} × {k}; give a row and a column for each of data.names.")
    matrix = np.array([[number("data.correlation", r) for r in row] for row in given])
    if (matrix != matrix.T).any() or (np.diag(matrix) != 1).any():
        raise MiceSimError("data.correlation is not symmetric with ones on its diagonal; correct it.")
    return matrix


def _root(correlation: np.ndarray) -> np.ndarray:
    least = float(np.linalg.eigvalsh(correlation)[0])
    if least < 1e-10:
        raise MiceSimError(
            f"data.correlation is not positive definite (its smallest eigenvalue is {least:.3g}), so no data can have "
            "it; bring the correlations closer to 0."
        )
    return np.linalg.cholesky(correlation)


def _whitened(z: np.ndarray) -> np.ndarray:
    """Return z (k, n) transformed to mean 0 and covariance I, with divisor n − 1."""
    z = z - z.mean(axis=1, keepdims=True)
    return solve_triangular(np.linalg.cholesky(z @ z.T / (z.shape[1] - 1)), z, lower=True)
