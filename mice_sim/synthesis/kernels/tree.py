"""Recursive partitioning as rpart 4.1 grows and prunes, on presorted columns and per-level counts.

The tree sees *design columns*: a numeric column as it is, a factor through its contrasts
(dummies or polynomial scores). Every node is a contiguous run of three kinds of row lists that
one stable partition keeps in step: `rows` in data order and, for each numeric column, the rows in
that column's order. Nothing is ever sorted below the root. All contrasts of a factor are scanned
from one table of per-level counts and sums.

Fidelity: gains are computed in the order and the arithmetic that Breiman et al. (1984) and the rpart
report (Therneau & Atkinson 2022, §3-4) describe, so that ties break alike wherever rounding agrees.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NO_SPLIT = -1
# A split must beat this share of the largest gain seen so far anywhere in the tree.
RELATIVE_GAIN = 1e-10


@njit(cache=True, nogil=True)
def _scan_numeric(y, n_classes, x, order, start, end, minbucket, mean, totals, left):
    """Return (gain, cut) of the best cut of one numeric column; gain 0 if there is none.

    For a numeric target the gain is S_L²/n_L + S_R²/n_R with S the sum of deviations from the node
    mean; for a class target Σ_k L_k²/n_L + Σ_k R_k²/n_R − Σ_k T_k²/n, the drop in n·Gini.
    """
    n = end - start
    best, cut = 0.0, 0.0
    if n_classes == 0:
        total = 0.0
        for i in range(start, end):
            total += y[order[i]]
        mean = total / n
        left_sum = 0.0
        value = x[order[start]]
        for i in range(n - minbucket):
            row = order[start + i]
            left_sum += y[row] - mean
            following = x[order[start + i + 1]]
            if i + 1 >= minbucket and following != value:
                square = left_sum * left_sum
                gain = square / (i + 1) + square / (n - i - 1)
                if gain > best:
                    best = gain
                    cut = (value + following) / 2
            value = following
        return best, cut

    base = 0.0
    for k in range(n_classes):
        left[k] = 0.0
        base += totals[k] * totals[k]
    left_squares, right_squares = 0.0, base
    base /= n
    value = x[order[start]]
    for i in range(n - minbucket):
        row = order[start + i]
        k = int(y[row])
        left_squares += 2 * left[k] + 1
        right_squares -= 2 * (totals[k] - left[k]) - 1
        left[k] += 1
        following = x[order[start + i + 1]]
        if i + 1 >= minbucket and following != value:
            gain = left_squares / (i + 1) + right_squares / (n - i - 1) - base
            if gain > best:
                best = gain
                cut = (value + following) / 2
        value = following
    return best, cut


@njit(cache=True, nogil=True)
def _scan_contrast(n_classes, n, levels, score, counts, sums, table, totals, minbucket, left):
    """Return (gain, cut) of the best cut of one contrast of a factor.

    `levels` lists the factor's levels by ascending `score`; `counts`, `sums` and `table` hold the
    node's rows, deviations and classes by level.
    """
    best, cut = 0.0, 0.0
    n_left = 0
    left_sum = 0.0
    base, right_squares, left_squares = 0.0, 0.0, 0.0
    for k in range(n_classes):
        left[k] = 0.0
        base += totals[k] * totals[k]
    base /= n
    previous = -1
    for position in range(levels.shape[0]):
        level = levels[position]
        if counts[level] == 0:
            continue
        if previous >= 0 and score[level] != score[previous] and n_left >= minbucket:
            if n - n_left < minbucket:
                break
            if n_classes == 0:
                square = left_sum * left_sum
                gain = square / n_left + square / (n - n_left)
            else:
                left_squares, right_squares = 0.0, 0.0
                for k in range(n_classes):
                    left_squares += left[k] * left[k]
                    right_squares += (totals[k] - left[k]) * (totals[k] - left[k])
                gain = left_squares / n_left + right_squares / (n - n_left) - base
            if gain > best:
                best = gain
                cut = (score[previous] + score[level]) / 2
        n_left += counts[level]
        if n_classes == 0:
            left_sum += sums[level]
        else:
            for k in range(n_classes):
                left[k] += table[level, k]
        previous = level
    return best, cut


@njit(cache=True, nogil=True)
def _tally(y, n_classes, codes, rows, start, end, mean, counts, sums, table):
    """Count a node's rows by level of one factor; return the number of levels present."""
    counts[:] = 0
    if n_classes == 0:
        sums[:] = 0.0
        for i in range(start, end):
            row = rows[i]
            level = codes[row]
            counts[level] += 1
            sums[level] += y[row] - mean
    else:
        table[:] = 0.0
        for i in range(start, end):
            row = rows[i]
            level = codes[row]
            counts[level] += 1
            table[level, int(y[row])] += 1
    present = 0
    for level in range(counts.shape[0]):
        present += counts[level] > 0
    return present


@njit(cache=True, nogil=True)
def _risk(y, n_classes, rows, start, end, totals):
    """Return (risk, mean) of a node: Σ(y−ȳ)², or the number of rows outside the largest class."""
    n = end - start
    if n_classes == 0:
        total = 0.0
        for i in range(start, end):
            total += y[rows[i]]
        mean = total / n
        risk = 0.0
        for i in range(start, end):
            deviation = y[rows[i]] - mean
            risk += deviation * deviation
        return risk, mean
    totals[:] = 0.0
    for i in range(start, end):
        totals[int(y[rows[i]])] += 1
    largest = 0.0
    for k in range(n_classes):
        largest = max(largest, totals[k])
    return n - largest, 0.0


@njit(cache=True, nogil=True)
def _partition(rows, start, end, goes_left, spare):
    """Stably move the rows that go left to the front of [start, end); return where the right ones begin."""
    kept, moved = start, 0
    for i in range(start, end):
        row = rows[i]
        if goes_left[row]:
            rows[kept] = row
            kept += 1
        else:
            spare[moved] = row
            moved += 1
    for i in range(moved):
        rows[kept + i] = spare[i]
    return kept


@njit(cache=True, nogil=True)
def grow(
    y, n_classes, rows, values, codes, orders, source, is_factor, score, by_score, keep,
    minsplit, minbucket, cp, maxdepth,
):  # fmt: skip
    """Grow and prune one tree.

    Parameters
    ----------
    y : float64 (n,). Values, or class numbers 0..n_classes−1.
    n_classes : 0 for a numeric target.
    rows : int32 (n_fit,). The rows to fit on, ascending; reordered in place, so that each leaf's
        rows are contiguous.
    values : float64 (columns, n). Numeric predictors.
    codes : int32 (columns, n). Level numbers of factors.
    orders : int32 (columns, n_fit). The fit rows in ascending order of each numeric column.
    source, is_factor, keep : (design columns,). The column behind each design column, whether that is
        a factor, and whether the tree may use it.
    score, by_score : (design columns, max levels). The contrast's value of each level, and the
        levels by ascending value.
    minsplit, minbucket, cp, maxdepth : rpart's controls.

    Returns
    -------
    column, cut, lower_left, left, right, start, end : arrays over nodes, the root first. `left` is −1
        in a leaf; `lower_left` tells whether x < cut goes to the left child; [start, end) is the node's
        run in `rows`. Nodes that pruning removed are unreachable.
    number : int64. rpart's node numbers (children of ν are 2ν and 2ν+1).
    """
    n = rows.shape[0]
    n_design = source.shape[0]
    capacity = 2 * n + 1
    column = np.full(capacity, NO_SPLIT, np.int32)
    cut = np.zeros(capacity)
    lower_left = np.zeros(capacity, np.bool_)
    left_child = np.full(capacity, -1, np.int32)
    right_child = np.full(capacity, -1, np.int32)
    first = np.zeros(capacity, np.int32)
    last = np.zeros(capacity, np.int32)
    number = np.zeros(capacity, np.int64)
    # The bookkeeping of cost-complexity pruning.
    risk = np.zeros(capacity)
    mean = np.zeros(capacity)
    bound = np.zeros(capacity)
    complexity = np.zeros(capacity)
    kept_risk = np.zeros(capacity)  # summed risk of the leaves that the subtree keeps
    kept_splits = np.zeros(capacity)

    numeric = np.unique(source[keep & ~is_factor])
    order = np.empty((values.shape[0], n), np.int32)
    for q in numeric:
        order[q] = orders[q]
    n_levels = score.shape[1]
    counts = np.zeros(n_levels, np.int32)
    sums = np.zeros(n_levels)
    table = np.zeros((n_levels, max(n_classes, 1)))
    totals = np.zeros(max(n_classes, 1))
    class_left = np.zeros(max(n_classes, 1))
    goes_left = np.zeros(y.shape[0], np.bool_)
    spare = np.empty(n, np.int32)

    stack = np.empty(2 * (maxdepth + 2), np.int32)
    phase = np.zeros(capacity, np.int8)  # 0 to be searched, 1 left child done, 2 both done
    depth = np.zeros(capacity, np.int32)
    first[0], last[0], number[0] = 0, n, 1
    n_nodes = 1
    largest_gain = 0.0
    alpha = 0.0
    top = 0
    stack[0] = 0
    while top >= 0:
        t = stack[top]
        if phase[t] == 0:
            start, end = first[t], last[t]
            risk[t], mean[t] = _risk(y, n_classes, rows, start, end, totals)
            if t == 0:
                alpha = cp * risk[0]
                bound[0] = risk[0]
            complexity[t] = alpha
            kept_risk[t] = risk[t]
            kept_splits[t] = 0
            top -= 1
            if end - start < minsplit or min(risk[t], bound[t]) <= alpha or depth[t] >= maxdepth:
                continue

            best, best_column, best_cut = 0.0, NO_SPLIT, 0.0
            tallied = -1
            present = 0
            for d in range(n_design):
                if not keep[d]:
                    continue
                if is_factor[d]:
                    if source[d] != tallied:
                        tallied = source[d]
                        present = _tally(
                            y, n_classes, codes[tallied], rows, start, end, mean[t], counts, sums, table
                        )
                    if present < 2:
                        continue
                    gain, place = _scan_contrast(
                        n_classes, end - start, by_score[d], score[d], counts, sums, table, totals,
                        minbucket, class_left,
                    )  # fmt: skip
                else:
                    q = source[d]
                    gain, place = _scan_numeric(
                        y, n_classes, values[q], order[q], start, end, minbucket, mean[t], totals, class_left
                    )
                # Numeric gains are compared across nodes as shares of the node's risk.
                share = gain / risk[t] if n_classes == 0 else gain
                largest_gain = max(largest_gain, share)
                if share > best and share > RELATIVE_GAIN * largest_gain:
                    best, best_column, best_cut = share, d, place
            if best_column == NO_SPLIT:
                continue

            # Left is the side with the lower mean, or the lower mean class number.
            q = source[best_column]
            below, n_below, total = 0.0, 0, 0.0
            for i in range(start, end):
                row = rows[i]
                x = score[best_column, codes[q, row]] if is_factor[best_column] else values[q, row]
                goes_left[row] = x < best_cut
                total += y[row]
                if goes_left[row]:
                    below += y[row]
                    n_below += 1
            if n_below == 0 or n_below == end - start:
                continue  # neighbouring doubles whose midpoint rounds onto one of them
            lower_left[t] = below / n_below < (total - below) / (end - start - n_below)
            if not lower_left[t]:
                for i in range(start, end):
                    goes_left[rows[i]] = not goes_left[rows[i]]
            middle = _partition(rows, start, end, goes_left, spare)
            if max(middle - start, end - middle) >= minsplit:
                for q in numeric:
                    _partition(order[q], start, end, goes_left, spare)

            column[t], cut[t] = best_column, best_cut
            left_child[t], right_child[t] = n_nodes, n_nodes + 1
            for child in range(n_nodes, n_nodes + 2):
                depth[child] = depth[t] + 1
                number[child] = 2 * number[t] + child - n_nodes
            first[n_nodes], last[n_nodes] = start, middle
            first[n_nodes + 1], last[n_nodes + 1] = middle, end
            bound[n_nodes] = min(risk[t], bound[t]) - alpha
            phase[t] = 1
            top += 1
            stack[top] = t
            top += 1
            stack[top] = n_nodes
            n_nodes += 2

        elif phase[t] == 1:
            # What the right subtree must still be worth, given what the left one achieved.
            left = left_child[t]
            worth = max((risk[t] - kept_risk[left]) / (kept_splits[left] + 1), risk[t] - risk[left])
            bound[right_child[t]] = min(worth, bound[t]) - alpha
            phase[t] = 2
            top += 1
            stack[top] = right_child[t]

        else:
            left, right = left_child[t], right_child[t]
            risk_left, splits_left = kept_risk[left], kept_splits[left]
            risk_right, splits_right = kept_risk[right], kept_splits[right]
            gain = (risk[t] - risk_left - risk_right) / (splits_left + splits_right + 1)
            # The weaker child collapses first, if the split is worth more than it.
            for turn in range(2):
                weaker_is_left = (complexity[right] > complexity[left]) == (turn == 0)
                child = left if weaker_is_left else right
                if gain <= complexity[child]:
                    break
                if weaker_is_left:
                    risk_left, splits_left = risk[left], 0
                else:
                    risk_right, splits_right = risk[right], 0
                gain = (risk[t] - risk_left - risk_right) / (splits_left + splits_right + 1)
            complexity[t] = gain
            top -= 1
            if gain <= alpha:
                left_child[t], right_child[t], column[t] = -1, -1, NO_SPLIT
                complexity[t] = alpha
                kept_risk[t], kept_splits[t] = risk[t], 0
            else:
                kept_risk[t] = risk_left + risk_right
                kept_splits[t] = splits_left + splits_right + 1

    return (
        column[:n_nodes], cut[:n_nodes], lower_left[:n_nodes], left_child[:n_nodes], right_child[:n_nodes],
        first[:n_nodes], last[:n_nodes], number[:n_nodes],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def assign_fitted(left, right, start, end, rows, leaf):
    """Write into `leaf` (n,) the leaf of every fitted row."""
    stack = np.empty(left.shape[0] + 1, np.int32)
    top = 0
    stack[0] = 0
    while top >= 0:
        t = stack[top]
        top -= 1
        if left[t] < 0:
            for i in range(start[t], end[t]):
                leaf[rows[i]] = t
        else:
            stack[top + 1], stack[top + 2] = left[t], right[t]
            top += 2


@njit(cache=True, nogil=True)
def assign(targets, values, codes, source, is_factor, score, column, cut, lower_left, left, right, leaf):
    """Write into `leaf` (n,) the leaf that each row of `targets` falls into."""
    for i in range(targets.shape[0]):
        row = targets[i]
        t = 0
        while left[t] >= 0:
            d = column[t]
            q = source[d]
            x = score[d, codes[q, row]] if is_factor[d] else values[q, row]
            t = left[t] if (x < cut[t]) == lower_left[t] else right[t]
        leaf[row] = t


@njit(cache=True, nogil=True)
def draw_donors(targets, leaf, start, end, rows, uniforms):
    """Return for each target a row drawn uniformly from those of its leaf."""
    donors = np.empty(targets.shape[0], np.int32)
    for i in range(targets.shape[0]):
        t = leaf[targets[i]]
        donors[i] = rows[start[t] + int(uniforms[i] * (end[t] - start[t]))]
    return donors
