"""Joint tests of k parameters: the scale c and the df w with which q̄'Ū⁻¹q̄/(ck) has the distribution F(k, w)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """What a joint test's scale is a function of.

    x : the mean over k parameters of b in units of ū, tr(BŪ⁻¹)/k. The others are those of `Moments`.
    """

    x: float
    k: int
    m: int
    df_complete: float = np.inf
    ratio: float = 1.0

    @property
    def t(self) -> int:
        return self.k * (self.m - 1)


def _li_df(s: Spread, factor: float) -> float:
    """Degrees of freedom of Li, Raghunathan & Rubin (1991), with `factor` for their 1/r."""
    if s.t > 4:
        return 4 + (s.t - 4) * (1 + (1 - 2 / s.t) * factor) ** 2
    return s.t * (1 + 1 / s.k) * (1 + factor) ** 2 / 2


def _small_sample_df(s: Spread, r: float) -> float:
    """Degrees of freedom of Reiter (2007), Biometrika 94, 502-508.

    They are defined for t > 4 and ν* > 4(1 + a), and fall to 4 at the border. Beyond it, where mice gives NaN or less
    than 4, they are (k + 1)/2 times those of Barnard & Rubin (1999), as Li et al. have it for t ≤ 4.
    """
    nu = s.df_complete * (s.df_complete + 1) / (s.df_complete + 3)
    beyond = (s.k + 1) / 2 / (1 / ((s.m - 1) * (1 + _inverse(r)) ** 2) + (1 + r) / nu)
    if s.t <= 4:
        return beyond
    a = r * s.t / (s.t - 2)
    c0, c1, c2 = 1 / (s.t - 4), nu - 2 * (1 + a), nu - 4 * (1 + a)
    if c2 <= 0:
        return min(beyond, 4.0)
    z = 1 / c2 + c0 * (
        a**2 * c1 / ((1 + a) ** 2 * c2)
        + 8 * a**2 * c1 / ((1 + a) * c2**2)
        + 4 * a**2 / ((1 + a) * c2)
        + 4 * a**2 / (c2 * c1)
        + 16 * a**2 * c1 / c2**3
        + 8 * a**2 / c2**2
    )
    return 4 + 1 / z


def _inverse(r: float) -> float:
    return 1 / r if r else np.inf


def rubin(s: Spread) -> tuple[float, float]:
    """Missing data: Li, Raghunathan & Rubin (1991), JASA 86, 1065-1073; with df_complete, Reiter (2007)."""
    r = (1 + 1 / s.m) * s.x
    if np.isinf(s.df_complete):
        return 1 + r, _li_df(s, _inverse(r))
    return 1 + r, _small_sample_df(s, r)


def reiter(s: Spread) -> tuple[float, float]:
    """Partially synthetic data: Reiter (2005), J. Stat. Plan. Inference 131, 365-377."""
    r = s.x / (s.m * s.ratio)
    return s.ratio * (1 + r), _li_df(s, _inverse(r))


def rrr(s: Spread) -> tuple[float, float]:
    """Fully synthetic data: Reiter (2005). The scale is negative where the pooled variance is."""
    r = (1 + 1 / s.m) * s.x
    return r - 1, _li_df(s, -_inverse(r))


def adjusted(s: Spread) -> tuple[float, float]:
    """Fully synthetic data, with Reiter's (2002) variance where the scale would be negative."""
    scale, df = rrr(s)
    return (s.ratio, np.inf) if scale < 0 else (scale, df)


def raab_simple(s: Spread) -> tuple[float, float]:
    """Draws with fixed parameters: Wald's test on T, which is a multiple of ū (Raab et al. 2016)."""
    return s.ratio + 1 / s.m, np.inf


def raab_proper(s: Spread) -> tuple[float, float]:
    """Draws with drawn parameters: Wald's test on T, which is a multiple of ū (Raab et al. 2016)."""
    return s.ratio + (1 + s.ratio) / s.m, np.inf
