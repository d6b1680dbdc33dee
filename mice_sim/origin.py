"""How synthetic or imputed sets were made: what a combining rule must know to be valid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["impute", "linked", "sequential"]
Missing = Literal["none", "kept", "imputed", "one-step", "two-step"]


@dataclass(frozen=True)
class Origin:
    """The making of a result's sets.

    Attributes
    ----------
    mode : "impute" fills missing cells; "linked" draws record i given record i, as mice's `where`; "sequential"
        draws new records from earlier synthetic columns, as synthpop.
    missing : what became of missing cells: "none" (there were none), "kept" (synthesised as part of the data),
        "imputed" (mode impute), "one-step" (drawn together with the observed ones), "two-step" (imputed first, then
        synthesised r times for every imputation).
    proper : whether every method draws its parameters anew for every set.
    complete : whether every cell of every column is replaced.
    n, k : rows of the real data and of a set.
    m, r : m sets; in two-step data m imputations with r syntheses each, m·r sets ordered by imputation.
    """

    mode: Mode
    missing: Missing
    proper: bool
    complete: bool
    n: int
    k: int
    m: int
    r: int = 1
