"""From a table and a specification to the joint model's two levels, and from latent values back to columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mice_sim.data import Column, Table
from mice_sim.data.expressions import quote
from mice_sim.data.formula import ModelFormula
from mice_sim.errors import MiceSimError
from mice_sim.synthesis.clusters import is_constant_within
from mice_sim.synthesis.joint import transform
from mice_sim.synthesis.joint.gibbs import Priors, Sampler, Side, Variable
from mice_sim.synthesis.joint.options import Joint

if TYPE_CHECKING:
    from mice_sim.synthesis.spec import Specification


@dataclass(frozen=True)
class Coding:
    """How a column becomes a variable and back: a transformation, or the level numbers that occur."""

    column: Column
    transform: transform.Transform | None
    levels: np.ndarray

    @classmethod
    def learn(cls, column: Column, values: np.ndarray, kind: str) -> Coding:
        """Learn from values (n,), NaN where missing; raises MiceSimError where they are all the same."""
        observed = values[~np.isnan(values)]
        different = np.unique(observed)
        if different.size < 2:
            raise MiceSimError(
                f"Column '{column.name}' has {different.size or 'no'} value{' only' * different.size}, so the joint "
                "model can't learn from it; drop it, or leave it out of what is drawn."
            )
        if column.is_factor:
            return cls(column, None, different)
        return cls(column, transform.learn(kind, observed), np.zeros(0))

    def variable(self, values: np.ndarray) -> Variable:
        column = self.column
        if self.transform is not None:
            return Variable(column.name, "continuous", self.transform.forward(values))
        codes = np.where(np.isnan(values), np.nan, np.searchsorted(self.levels, values))
        kind = "binary" if self.levels.size == 2 else column.kind
        return Variable(column.name, kind, codes, tuple(str((column.levels or ())[int(c)]) for c in self.levels))

    def back(self, latent: np.ndarray, cuts: np.ndarray | None) -> np.ndarray:
        """Return values (n,) for latent columns (width, n); an ordinal column needs its cut-points."""
        if self.transform is not None:
            return self.transform.back(latent[0])
        if self.levels.size == 2:
            codes = (latent[0] > 0).astype(int)
        elif cuts is not None:
            codes = np.searchsorted(cuts, latent[0])
        else:
            codes = np.where(latent.max(axis=0) > 0, latent.argmax(axis=0) + 1, 0)
        return self.levels[codes]

    @property
    def scale(self) -> tuple[float, float]:
        """Mean and standard deviation that a latent unit stands for, if they do not depend on the value."""
        return (self.transform.mean, self.transform.sd) if isinstance(self.transform, transform.Affine) else (0.0, 1.0)


@dataclass(frozen=True)
class Kept:
    """Predictors that are kept as they are: rows (r, n) in standard deviations from their means, but the intercept."""

    X: np.ndarray
    names: tuple[str, ...]
    means: np.ndarray
    sds: np.ndarray

    @classmethod
    def of(cls, columns: list[Column], values: np.ndarray, n: int) -> Kept:
        rows, names = [np.ones(n)], ["(Intercept)"]
        for column, own in zip(columns, values, strict=True):
            labels, scores = column.contrasts() if column.is_factor else ([column.name], None)
            names += labels
            rows += [own] if scores is None else list(scores[own.astype(int)].T)
        return cls.standardised(np.array(rows), tuple(names))

    @classmethod
    def standardised(cls, X: np.ndarray, names: tuple[str, ...]) -> Kept:
        """Standardise all rows of X but the first, which is the intercept."""
        means, sds = X.mean(axis=1), X.std(axis=1)
        means[0], sds[0] = 0.0, 1.0
        sds[sds == 0] = 1.0
        scaled = np.ascontiguousarray((X - means[:, None]) / sds[:, None])
        if np.linalg.matrix_rank(scaled @ scaled.T / X.shape[1], tol=1e-9) < len(X):
            raise MiceSimError(
                f"The predictors of the joint model ({', '.join(names[1:])}) are collinear or constant; leave some out."
            )
        return cls(scaled, names, means, sds)

    def natural(self, B: np.ndarray) -> np.ndarray:
        """Return coefficients (…, r, p) of the predictors' own units."""
        result = B / self.sds[:, None]
        result[..., 0, :] -= np.einsum("...rp,r->...p", result[..., 1:, :], self.means[1:])
        return result


@dataclass(frozen=True)
class Response:
    """A column whose model holds interactions: y = F b + v_j + e, with F of all other columns."""

    column: int
    coding: Coding
    formula: ModelFormula


@dataclass(frozen=True)
class JointModel:
    """A table as the joint model sees it.

    Attributes
    ----------
    order : int (n,), the rows by cluster. cluster : int64 (n,), the cluster of each row so ordered, or None. clusters :
    (n of clusters,) values of the cluster column.
    drawn : the numbers of the modelled columns by level, without the response. codings : by column number.
    kept : the predictors at both levels; the rows of the second are clusters. kept_columns : their column numbers.
    values : (columns, n) of the table so ordered, with level-2 columns known for all rows of a cluster if for one.
    """

    options: Joint
    columns: tuple[Column, ...]
    order: np.ndarray
    cluster: np.ndarray | None
    drawn: tuple[tuple[int, ...], tuple[int, ...]]
    codings: Mapping[int, Coding]
    kept: tuple[Kept, Kept]
    kept_columns: tuple[int, ...]
    values: np.ndarray
    response: Response | None

    @classmethod
    def of(cls, table: Table, spec: Specification) -> JointModel:
        """Lay out a table; raises MiceSimError for whatever the model can't be of."""
        assert spec.joint is not None
        options, names = spec.joint, table.names
        order, cluster = _clusters(table, spec.cluster)
        values = np.ascontiguousarray(table.values[:, order])
        kept = _kept(table, spec, options)
        modelled = [j for j in range(len(names)) if j not in (*kept, spec.cluster) and j not in spec.derived]
        if not modelled:
            raise MiceSimError("There is no column for the joint model to draw; name some in where.")
        upper = _level_2(table, modelled, spec.cluster, options)
        if cluster is not None:
            for j in upper:
                values[j] = _of_clusters(values[j], cluster)[cluster]
        codings = {j: Coding.learn(table.columns[j], values[j], _kind(table, j, options)) for j in modelled}
        first = _first_rows(cluster)
        above = [j for j in kept if cluster is not None and (values[j] == values[j][first][cluster]).all()]
        at_1 = Kept.of([table.columns[j] for j in kept], values[kept], table.n_rows)
        at_2 = Kept.of([table.columns[j] for j in above], values[above][:, first], first.size) if upper else _NOTHING
        response = _response(table, spec, modelled, kept, upper, codings)
        lower = [j for j in modelled if j not in upper and (response is None or j != response.column)]
        if not lower:
            raise MiceSimError(
                "No column of the joint model varies within clusters; leave out cluster, or give it one row a cluster."
            )
        _check_observed(table, values, lower, at_1)
        return cls(
            options, table.columns, order, cluster, (tuple(lower), tuple(upper)), codings, (at_1, at_2), tuple(kept),
            values, response,
        )  # fmt: skip

    @property
    def first(self) -> np.ndarray:
        """The first row of each cluster."""
        return _first_rows(self.cluster)

    def side(self, level: int) -> Side:
        rows = slice(None) if level == 1 else self.first
        variables = tuple(self.codings[j].variable(self.values[j][rows]) for j in self.drawn[level - 1])
        kept = self.kept[level - 1]
        return Side(variables, kept.X, kept.names)

    def sampler(self) -> Sampler:
        one, two = self.side(1), self.side(2) if self.drawn[1] else None
        return Sampler(one, two, self.cluster, self.priors(one.width + (two.width if two else 0)))

    def priors(self, size: int) -> Priors:
        """Return the priors, for so many latent columns in all."""
        return Priors(scale_2=self.options.scale_2 * np.eye(size)) if self.cluster is not None else Priors()

    def columns_of(self, level: int, latent: np.ndarray, cuts: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
        """Return values by column number for the latent columns (p, n) of a level."""
        found, at = {}, 0
        for j in self.drawn[level - 1]:
            coding = self.codings[j]
            width = coding.levels.size - 1 if coding.column.kind == "unordered" else 1
            found[j] = coding.back(latent[at : at + width], cuts.get(coding.column.name))
            at += width
        return found


_NOTHING = Kept(np.zeros((0, 0)), (), np.zeros(0), np.zeros(0))


def _clusters(table: Table, column: int | None) -> tuple[np.ndarray, np.ndarray | None]:
    if column is None:
        return np.arange(table.n_rows), None
    _, member, size = np.unique(table.values[column], return_inverse=True, return_counts=True)
    name = table.names[column]
    if size.size < 2:
        raise MiceSimError(
            f"All rows are in one cluster of '{name}', so clusters can't be told from rows; leave out cluster."
        )
    if size.max() == 1:
        raise MiceSimError(
            f"Every cluster of '{name}' has one row, so clusters can't be told from rows; leave out cluster."
        )
    order = np.argsort(member.ravel(), kind="stable")
    return order, member.ravel()[order].astype(np.int64)


def _first_rows(cluster: np.ndarray | None) -> np.ndarray:
    return np.zeros(0, int) if cluster is None else np.searchsorted(cluster, np.arange(cluster[-1] + 1))


def _kept(table: Table, spec: Specification, options: Joint) -> list[int]:
    """Return the columns that predict and are not modelled: auxiliary ones, and in a synthesis all that are kept."""
    kept = {table.index(name) for name in options.auxiliary}
    if spec.mode == "sequential":
        replaced: np.ndarray = np.any(spec.replaced(~np.isnan(table.values)), axis=1)
        drawn = [table.names[j] for j in sorted(kept & set(np.flatnonzero(replaced).tolist()))]
        if drawn:
            raise MiceSimError(f"Column '{drawn[0]}' is auxiliary, so it keeps its values; leave it out of where.")
        kept |= set(np.flatnonzero(~replaced).tolist())
    kept -= {spec.cluster, *spec.derived}
    for j in sorted(kept):
        if np.isnan(table.values[j]).any():
            raise MiceSimError(
                f"Column '{table.names[j]}' is a predictor of the joint model but has missing values; draw it too."
            )
    return sorted(kept)


def _level_2(table: Table, modelled: list[int], cluster: int | None, options: Joint) -> list[int]:
    """Return the columns of the clusters: those named, or all that do not vary within clusters."""
    if cluster is None:
        if options.level_2:
            raise MiceSimError("level_2 names columns of clusters; say with cluster which column tells them.")
        return []
    together = table.values[cluster]
    constant = [j for j in modelled if is_constant_within(table.values[j], together)]
    if options.level_2 is None:
        return constant
    named = [table.index(name) for name in options.level_2]
    for j in named:
        if j in modelled and j not in constant:
            raise MiceSimError(
                f"Column '{table.names[j]}' is to be of level 2 but varies within clusters of "
                f"'{table.names[cluster]}'; leave it out of level_2."
            )
    return [j for j in modelled if j in named]


def _of_clusters(values: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Return the value of each cluster, that of its first row with one; NaN where no row has one."""
    result = np.full(cluster[-1] + 1, np.nan)
    known = np.flatnonzero(~np.isnan(values))[::-1]
    result[cluster[known]] = values[known]
    return result


def _kind(table: Table, j: int, options: Joint) -> str:
    if isinstance(options.transform, Mapping):
        for name in options.transform:
            if table.columns[table.index(name)].is_factor:
                raise MiceSimError(f"Column '{name}' is a factor, so it has no transform; leave it out.")
        return options.transform.get(table.names[j], "none")
    return options.transform


def _response(
    table: Table, spec: Specification, modelled: list[int], kept: list[int], upper: list[int],
    codings: Mapping[int, Coding],
) -> Response | None:  # fmt: skip
    options = spec.joint
    assert options is not None
    if options.response is None:
        return None
    j = table.index(options.response)
    name = table.names[j]
    if j not in modelled or j in upper or table.columns[j].kind in ("unordered", "ordered"):
        raise MiceSimError(
            f"The response '{name}' of the interactions must be a continuous or binary column of the rows that is "
            "drawn; choose another one."
        )
    holes = [table.names[c] for c in upper if np.isnan(table.values[c]).any()]
    if holes:
        raise MiceSimError(
            f"Column '{holes[0]}' of the clusters has missing values, which the joint model can't draw given "
            "interactions; impute it first."
        )
    others = [quote(table.names[c]) for c in sorted({*modelled, *kept}) if c != j]
    formula = ModelFormula.parse(f"{quote(name)} ~ {' + '.join([*others, *options.interactions])}", table.columns)
    strange = [table.names[c] for c in formula.right if c in (spec.cluster, j) or c in spec.derived]
    if strange:
        raise MiceSimError(f"The interactions hold '{strange[0]}', which is not drawn; name columns that are.")
    return Response(j, codings[j], formula.learn(table.values))


def _check_observed(table: Table, values: np.ndarray, drawn: list[int], kept: Kept) -> None:
    """Raise MiceSimError where flat priors of coefficients would not have a proper posterior."""
    for j in drawn:
        known = ~np.isnan(values[j])
        if known.sum() < len(kept.names) or np.linalg.matrix_rank(kept.X[:, known], tol=1e-8) < len(kept.names):
            raise MiceSimError(
                f"Column '{table.names[j]}' has {known.sum()} values, too few for {len(kept.names)} coefficients; "
                "keep fewer predictors or drop it."
            )
