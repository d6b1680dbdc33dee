"""An imputer with scikit-learn's conventions: `fit` on training rows, `transform` any rows, in a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from mice_sim import api
from mice_sim.errors import MiceSimError

_LARGEST_SEED = 2**31 - 1


class MiceImputer(TransformerMixin, BaseEstimator):
    """Impute missing values by chained equations, by models of the training rows alone.

    `transform` gives one imputed set, a random draw: a pipeline around it shows no uncertainty about what was
    missing. For inference use `mice_sim.impute` with several sets and pool.

    Parameters
    ----------
    method, predictor_matrix, formulas, visit_sequence, cluster, derived, bounds, rules, maxit : as in
        `mice_sim.impute`.
    options : of the methods, such as {"donors": 3}.
    random_state : a whole number gives the same values at every call; None and a RandomState new ones.

    Attributes
    ----------
    n_features_in_, feature_names_in_ : columns of the training rows; names if they came as a frame.

    Notes
    -----
    Frames give frames (categories are kept), arrays give arrays. `fit` keeps the training rows, and `transform`
    imputes new rows beside them with `ignore`, so that no model learns from the new ones.
    """

    def __init__(
        self,
        method: str | Mapping[str, Any] | None = None,
        *,
        maxit: int = 5,
        predictor_matrix: np.ndarray | pd.DataFrame | None = None,
        formulas: Mapping[str, str] | None = None,
        visit_sequence: str | list[str] | None = None,
        cluster: str | None = None,
        derived: Mapping[str, str] | None = None,
        bounds: Mapping[str, Any] | None = None,
        rules: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ):
        self.method = method
        self.maxit = maxit
        self.predictor_matrix = predictor_matrix
        self.formulas = formulas
        self.visit_sequence = visit_sequence
        self.cluster = cluster
        self.derived = derived
        self.bounds = bounds
        self.rules = rules
        self.options = options
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> MiceImputer:
        """Keep the training rows.

        X : frame or array of numbers, (n, p), n ≥ 2, with NaN where a value is missing. y : ignored. Raises
        MiceSimError for what can't be imputed.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Any:
        """Return the training rows, imputed: a frame if X is one, else an array, (n, p). X, y as for `fit`."""
        return self._like(X, self._fit(X))

    def transform(self, X: Any) -> Any:
        """Return rows imputed by models of the training rows.

        X : (n, p) with the columns of the training rows, n ≥ 1; a frame comes back as one. Raises MiceSimError for
        other columns or levels, and scikit-learn's NotFittedError before `fit`.
        """
        check_is_fitted(self, "training_")
        new = self._same_levels(self._frame(X, reset=False))
        if not new.isna().to_numpy().any():
            return self._like(X, new)
        both = pd.concat([self.training_, new], ignore_index=True)
        ignore = np.arange(len(both)) >= len(self.training_)
        imputed = self._impute(both, ignore).iloc[len(self.training_) :]
        return self._like(X, imputed.set_axis(new.index))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns, which stay as they are, object (p,).

        input_features : if given, must be these names. Raises MiceSimError if they are others.
        """
        check_is_fitted(self, "training_")
        names = np.asarray(self.training_.columns, dtype=object)
        if input_features is not None and list(input_features) != list(names):
            if hasattr(self, "feature_names_in_") or len(input_features) != len(names):
                raise MiceSimError("The names given are not those of the columns that were fitted; leave them out.")
            return np.asarray(input_features, dtype=object)
        return names

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.non_deterministic = True  # transform draws; the training rows get other values than in fit_transform
        return tags

    def _fit(self, X: Any) -> pd.DataFrame:
        frame = self._frame(X, reset=True)
        imputed = self._impute(frame)
        self.training_ = frame.reset_index(drop=True)
        return imputed.set_axis(frame.index)

    def _impute(self, frame: pd.DataFrame, ignore: np.ndarray | None = None) -> pd.DataFrame:
        seed = int(check_random_state(self.random_state).randint(_LARGEST_SEED))
        result = api.impute(
            frame, 1, maxit=self.maxit, method=self.method, predictor_matrix=self.predictor_matrix,
            formulas=self.formulas, visit_sequence=self.visit_sequence, cluster=self.cluster, derived=self.derived,
            bounds=self.bounds, rules=self.rules, ignore=ignore, seed=seed, **(self.options or {}),
        )  # fmt: skip
        return result.completed(1)

    def _frame(self, X: Any, reset: bool) -> pd.DataFrame:
        """Return rows as a frame; checks an array, and that the columns are those of the training rows."""
        if isinstance(X, pd.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        least = 2 if reset else 1
        array = validate_data(
            self, X, reset=reset, dtype="numeric", ensure_all_finite="allow-nan", ensure_min_samples=least
        )
        names = [f"x{j}" for j in range(array.shape[1])] if reset else self.training_.columns
        return pd.DataFrame(array, columns=names)

    def _same_levels(self, new: pd.DataFrame) -> pd.DataFrame:
        """Return the new rows with the training rows' categories."""
        new = new.copy()
        for name, dtype in self.training_.dtypes.items():
            if not isinstance(dtype, pd.CategoricalDtype):
                continue
            foreign = set(new[name].dropna()) - set(dtype.categories)
            if foreign:
                raise MiceSimError(
                    f"Column '{name}' holds the level '{sorted(map(str, foreign))[0]}', which the training rows' "
                    "categories lack; add it to them before fit."
                )
            new[name] = new[name].astype(dtype)
        return new

    @staticmethod
    def _like(X: Any, frame: pd.DataFrame) -> Any:
        return frame if isinstance(X, pd.DataFrame) else frame.to_numpy()
