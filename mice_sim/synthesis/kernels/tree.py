"""Recursive partitioning as rpart 4.1 grows and prunes, on presorted columns and per-level counts.

The tree sees *design columns*: a numeric column as it is, a factor through its contrasts
(dummies or polynomial scores). Every node is a contiguous run of three kinds of row lists that
one stable partition keeps in step: `rows` in data order and, for each numeric column, the rows in
that column's order. Nothing is ever sorted below the root. All contrasts of a factor are scanned
from one table of per-level counts and sums.

A node's rows are scattered over the whole data. Where these exceed the processor's cache, a subtree of up to `PACKED`
rows is grown on a copy of its rows, side by side and numbered anew, in the same order; so no sum changes.

Fidelity: gains are computed in the order and the arithmetic that Breiman et al. (1984) and the rpart
report (Therneau & Atkinson 2022, §3-4) describe, so that ties break alike wherever rounding agrees.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NO_SPLIT = -1
UNSEARCHED = -2
# A split must beat this share of the largest gain seen so far anywhere in the tree.
RELATIVE_GAIN = 1e-10
PACKED = 16384
# So many rows walk down a tree side by side: the memory answers one while it is asked by the next.
ABREAST = 256
# A gain computed with reciprocals is as close as this to the one computed with divisions.
ALMOST = 1 - 1e-12


@njit(inline="always")
def _scan_numbers(y, values, order, start, end, minbucket, reciprocal, floor):
    """Return (gain, cut) of the best cut of a numeric column for a numeric target; gain 0 if none beats `floor`.

    The gain is S_L²/n_L + S_R²/n_R, S the sum of deviations from the node mean (so S_R = −S_L).
    """
    n = end - start
    total = 0.0
    for i in range(start, end):
        total += y[order[i]]
    mean = total / n
    best, cut, nearly = 0.0, 0.0, floor * ALMOST
    left_sum = 0.0
    for i in range(start, start + minbucket - 1):
        left_sum += y[order[i]] - mean
    row = order[start + minbucket - 1]
    value = values[row]
    for n_left in range(minbucket, n - minbucket + 1):
        left_sum += y[row] - mean
        row = order[start + n_left]
        following = values[row]
        square = left_sum * left_sum
        # Division is slow: only what comes close to the best is computed as the definition says.
        if square * (reciprocal[n_left] + reciprocal[n - n_left]) > nearly and following != value:
            gain = square / n_left + square / (n - n_left)
            if gain > best:
                best, nearly = gain, gain * ALMOST
                cut = (value + following) / 2
        value = following
    return best, cut


@njit(inline="always")
def _scan_classes(y_class, totals, values, order, start, end, minbucket, reciprocal, floor, left):
    """Return (gain, cut) of the best cut of a numeric column for a class target; gain 0 if none beats `floor`.

    The gain is the drop in n·Gini: Σ_k L_k²/n_L + Σ_k R_k²/n_R − Σ_k T_k²/n.
    """
    n = end - start
    left_squares, right_squares = 0.0, 0.0
    for k in range(totals.shape[0]):
        left[k] = 0.0
        right_squares += totals[k] * totals[k]
    base = right_squares / n
    best, cut, nearly = 0.0, 0.0, (floor + base) * ALMOST
    row = order[start]
    value = values[row]
    for n_left in range(1, n - minbucket + 1):
        k = y_class[row]
        left_squares += 2 * left[k] + 1
        right_squares -= 2 * (totals[k] - left[k]) - 1
        left[k] += 1
        row = order[start + n_left]
        following = values[row]
        close = left_squares * reciprocal[n_left] + right_squares * reciprocal[n - n_left] > nearly
        if close and following != value and n_left >= minbucket:
            gain = left_squares / n_left + right_squares / (n - n_left) - base
            if gain > best:
                best, nearly = gain, (gain + base) * ALMOST
                cut = (value + following) / 2
        value = following
    return best, cut


@njit(inline="always")
def _scan_contrast_numbers(n, d, score, by_score, counts, sums, minbucket, reciprocal, floor):
    """Return (gain, cut) of the best cut of contrast d for a numeric target; gain 0 if none beats `floor`.

    `by_score` lists the factor's levels by ascending score; `counts` and `sums` hold the node's rows
    and deviations by level. A level without rows changes nothing.
    """
    best, cut, nearly = 0.0, 0.0, floor * ALMOST
    n_left, left_sum = 0, 0.0
    previous = by_score[d, 0]
    for position in range(by_score.shape[1]):
        level = by_score[d, position]
        square = left_sum * left_sum
        close = square * (reciprocal[n_left] + reciprocal[n - n_left]) > nearly
        if close and counts[level] > 0 and min(n_left, n - n_left) >= minbucket:
            gain = square / n_left + square / (n - n_left)
            if score[d, level] != score[d, previous] and gain > best:
                best, nearly = gain, gain * ALMOST
                cut = (score[d, previous] + score[d, level]) / 2
        n_left += counts[level]
        left_sum += sums[level]
        previous = level if counts[level] > 0 else previous
    return best, cut


@njit(inline="always")
def _scan_contrast_classes(n, d, score, by_score, counts, table, totals, minbucket, floor, left):
    """Return (gain, cut) of the best cut of contrast d for a class target; gain 0 if none beats `floor`."""
    base = 0.0
    for k in range(totals.shape[0]):
        left[k] = 0.0
        base += totals[k] * totals[k]
    base /= n
    best, cut = floor * ALMOST, 0.0
    found = 0.0
    n_left = 0
    previous = by_score[d, 0]
    for position in range(by_score.shape[1]):
        level = by_score[d, position]
        if counts[level] == 0:
            continue
        if min(n_left, n - n_left) >= minbucket and score[d, level] != score[d, previous]:
            left_squares, right_squares = 0.0, 0.0
            for k in range(totals.shape[0]):
                right = totals[k] - left[k]
                left_squares += left[k] * left[k]
                right_squares += right * right
            gain = left_squares / n_left + right_squares / (n - n_left) - base
            if gain > best:
                best, found = gain, gain
                cut = (score[d, previous] + score[d, level]) / 2
        n_left += counts[level]
        for k in range(totals.shape[0]):
            left[k] += table[level, k]
        previous = level
    return found, cut


@njit(inline="always")
def _tally(is_class, y, y_class, codes, q, rows, start, end, mean, counts, sums, table):
    """Count a node's rows by level of factor q; return how many levels are present, the first and the last."""
    counts[:] = 0
    if is_class:
        table[:] = 0.0
        for i in range(start, end):
            row = rows[i]
            level = codes[q, row]
            counts[level] += 1
            table[level, y_class[row]] += 1
    else:
        sums[:] = 0.0
        for i in range(start, end):
            row = rows[i]
            level = codes[q, row]
            counts[level] += 1
            sums[level] += y[row] - mean
    present, lowest, highest = 0, counts.shape[0], -1
    for level in range(counts.shape[0]):
        if counts[level] > 0:
            present += 1
            lowest, highest = min(lowest, level), level
    return present, lowest, highest


@njit(inline="always")
def _risk(is_class, by_deviance, y, y_class, rows, start, end, totals):
    """Return (risk, mean) of a node: Σ(y−ȳ)², the number of rows outside the largest class, or the deviance."""
    n = end - start
    if is_class:
        totals[:] = 0.0
        for i in range(start, end):
            totals[y_class[rows[i]]] += 1
        if not by_deviance:
            return n - totals.max(), 0.0
        deviance = 0.0
        for k in range(totals.shape[0]):
            if totals[k] > 0:
                deviance -= 2 * totals[k] * np.log(totals[k] / n)
        return deviance, 0.0
    total = 0.0
    for i in range(start, end):
        total += y[rows[i]]
    mean = total / n
    risk = 0.0
    for i in range(start, end):
        deviation = y[rows[i]] - mean
        risk += deviation * deviation
    return risk, mean


@njit(inline="always")
def _partition(rows, start, end, goes_left, spare):
    """Stably move the rows that go left to the front of [start, end); return where the others begin."""
    kept, moved = start, 0
    # Both writes always happen and one of the counters moves: no branch to mispredict.
    for i in range(start, end):
        row = rows[i]
        rows[kept] = row
        spare[moved] = row
        kept += goes_left[row]
        moved += 1 - goes_left[row]
    for i in range(moved):
        rows[kept + i] = spare[i]
    return kept


@njit(inline="always")
def _pack(
    is_class,
    here,
    slot,
    start,
    end,
    order,
    y,
    y_class,
    values,
    codes,
    home,
    near_y,
    near_class,
    near_values,
    near_codes,
    local,
):
    """Copy what a node's rows hold of the columns that vary `here`, and write the copies' numbers into its lists."""
    n = end - start
    for i in range(n):
        row = order[0, start + i]
        home[i] = row
        local[row] = i
        near_y[i] = y[row]
        if is_class:
            near_class[i] = y_class[row]
        order[0, start + i] = i
    for q in range(here.shape[0]):
        if not here[q]:
            continue
        if slot[q] == 0:
            for i in range(n):
                near_codes[q, i] = codes[q, home[i]]
            continue
        for i in range(n):
            near_values[q, i] = values[q, home[i]]
        for i in range(start, end):
            order[slot[q], i] = local[order[slot[q], i]]


@njit(inline="always")
def _mark(y, values, codes, q, is_factor, score, cut, rows, start, end, goes_left):
    """Mark the rows on the side with the lower mean, or the lower mean class number, of a split of column q.

    score : the value of each level, if the column is a factor. Returns how many rows lie below the cut, and whether
    these go left.
    """
    below, n_below, total = 0.0, 0, 0.0
    for i in range(start, end):
        row = rows[i]
        x = score[codes[q, row]] if is_factor else values[q, row]
        lower = x < cut
        goes_left[row] = lower
        total += y[row]
        below += y[row] if lower else 0.0
        n_below += lower
    if n_below == 0 or n_below == end - start:
        return n_below, True
    lower_left = below / n_below < (total - below) / (end - start - n_below)
    if not lower_left:
        for i in range(start, end):
            goes_left[rows[i]] = 1 - goes_left[rows[i]]
    return n_below, lower_left


@njit(inline="always")
def _collapse(t, left, alpha, risk, complexity, kept_risk, kept_splits):
    """Write what the split of node t is worth once its subtrees are pruned; return whether it is kept."""
    right = left + 1
    risk_left, splits_left = kept_risk[left], kept_splits[left]
    risk_right, splits_right = kept_risk[right], kept_splits[right]
    gain = (risk[t] - risk_left - risk_right) / (splits_left + splits_right + 1)
    # The weaker child collapses first, if the split is worth more than it.
    for turn in range(2):
        weaker_is_left = (complexity[right] > complexity[left]) == (turn == 0)
        weaker = left if weaker_is_left else right
        if gain <= complexity[weaker]:
            break
        if weaker_is_left:
            risk_left, splits_left = risk[left], 0
        else:
            risk_right, splits_right = risk[right], 0
        gain = (risk[t] - risk_left - risk_right) / (splits_left + splits_right + 1)
    if gain <= alpha:
        complexity[t], kept_risk[t], kept_splits[t] = alpha, risk[t], 0
        return False
    complexity[t], kept_risk[t], kept_splits[t] = gain, risk_left + risk_right, splits_left + splits_right + 1
    return True


@njit(cache=True, nogil=True)
def grow(
    y, n_classes, fit_rows, values, codes, orders, source, is_factor, score, by_score, keep, volatile,
    minsplit, minbucket, cp, maxdepth, by_deviance, packed_rows,
    twin_column, twin_cut, twin_child, twin_search, twin_varies,
):  # fmt: skip
    """Grow and prune one tree.

    Parameters
    ----------
    y : float64 (n,). Values, or class numbers 0..n_classes−1.
    n_classes : 0 for a numeric target.
    fit_rows : uint32 (n_fit,). The rows to fit on, ascending.
    values : float64 (columns, n). Numeric predictors.
    codes : uint16 (columns, n). Level numbers of factors.
    orders : uint32 (columns, n_fit). The fit rows in ascending order of each numeric column.
    source, is_factor, keep : (design columns,). The column behind each design column, whether that is
        a factor, and whether the tree may use it.
    score, by_score : (design columns, max levels). The contrast's value of each level, and the
        levels by ascending value.
    volatile : (design columns,). Those that may change before this target is fitted again.
    minsplit, minbucket, cp, maxdepth : rpart's controls.
    by_deviance : whether a class tree is pruned on deviance instead of misclassification.
    packed_rows : most rows of a subtree that is grown on a copy of them; it changes the speed alone.
    twin_… : column, cut, child, search and varies of an earlier tree for the same y, rows and controls
        on predictors that differ in volatile columns only; empty if there is none. In nodes that hold
        the same rows as in that tree, the other columns are not searched again.

    Returns
    -------
    column, cut, lower_left, left, start, end : arrays over nodes, the root first. `left` is −1 in a leaf, else the
        left child, and the right one follows it; `lower_left` tells whether x < cut goes left; [start, end) is the
        node's run in `rows`. Nodes that pruning removed are unreachable.
    rows : uint32 (n_fit,), the fit rows, leaf by leaf.
    number : int64. rpart's node numbers (children of ν are 2ν and 2ν+1).
    child : as `left`, but known in pruned nodes too.
    search : (nodes, 3). Design column, cut and gain of the best split on columns that are not volatile;
        column UNSEARCHED if the node was not searched. varies : (nodes, columns). Both, and `child`, are
        empty where no column is volatile, since nothing can then be learned from this tree.
    """
    n = fit_rows.shape[0]
    n_design = source.shape[0]
    n_columns = values.shape[0]
    is_class = n_classes > 0
    remember = volatile.any()
    # No leaf has fewer than minbucket rows, and a tree has one node fewer than twice its leaves.
    most_leaves = min(max(n // minbucket, 1), 2**maxdepth)
    capacity = 2 * most_leaves - 1
    remembered = capacity if remember else 0
    column = np.empty(capacity, np.int32)
    cut = np.empty(capacity)
    lower_left = np.empty(capacity, np.bool_)
    left_child = np.empty(capacity, np.int32)
    child = np.empty(remembered, np.int32)
    twin = np.empty(remembered, np.int32)
    search = np.empty((remembered, 3))
    varied = np.empty((remembered, n_columns), np.bool_)
    first = np.empty(capacity, np.int32)
    last = np.empty(capacity, np.int32)
    number = np.empty(capacity, np.int64)
    depth = np.empty(capacity, np.int32)
    phase = np.empty(capacity, np.int8)  # 0 to be searched, 1 left child under way, 2 right child under way
    # The bookkeeping of cost-complexity pruning.
    risk = np.empty(capacity)
    bound = np.empty(capacity)
    complexity = np.empty(capacity)
    kept_risk = np.empty(capacity)  # summed risk of the leaves that the subtree keeps
    kept_splits = np.empty(capacity)
    # Whether each column still varies in the node at this depth on the path to where we are.
    varies = np.zeros((maxdepth + 1, n_columns), np.bool_)

    # The first list: rows in data order; then the rows by each numeric column.
    slot = np.zeros(n_columns, np.int32)
    n_lists = 1
    for d in range(n_design):
        if keep[d]:
            varies[0, source[d]] = True
            if not is_factor[d]:
                slot[source[d]] = n_lists
                n_lists += 1
    order = np.empty((n_lists, n), np.uint32)
    order[0] = fit_rows
    for q in range(n_columns):
        if slot[q] > 0:
            order[slot[q]] = orders[q]
    rows = order[0]
    y_class = np.zeros(y.shape[0] if is_class else 1, np.uint32)
    if is_class:
        for i in range(n):
            y_class[rows[i]] = np.uint32(y[rows[i]])
    reciprocal = 1.0 / np.maximum(np.arange(n + 1), 1)
    n_levels = score.shape[1]
    counts = np.zeros(n_levels, np.int32)
    sums = np.zeros(n_levels)
    table = np.zeros((n_levels, max(n_classes, 1)))
    totals = np.zeros(max(n_classes, 1))
    class_left = np.zeros(max(n_classes, 1))
    goes_left = np.zeros(y.shape[0], np.uint8)
    spare = np.empty(n, np.uint32)

    # A subtree that is grown on a copy of its rows: the place of its root on the stack, and its run.
    packed, packed_start, packed_end = -1, 0, 0
    far_y, far_class, far_values, far_codes = y, y_class, values, codes
    size = packed_rows if n > packed_rows else 0
    home = np.empty(size, np.uint32)
    local = np.empty(y.shape[0] if size > 0 else 0, np.uint32)
    near_y, near_class = np.empty(size), np.empty(size, np.uint32)
    near_values, near_codes = np.empty((n_columns, size)), np.empty((n_columns, size), codes.dtype)

    stack = np.empty(2 * (maxdepth + 2), np.int32)
    first[0], last[0], number[0], depth[0], phase[0] = 0, n, 1, 0, 0
    has_twin = remember and twin_column.shape[0] > 0
    if remember:
        twin[0] = 0 if has_twin else -1
    n_nodes = 1
    largest_gain = 0.0
    alpha = 0.0
    top = 0
    stack[0] = 0
    while top >= 0:
        t = stack[top]
        if top < packed:
            packed = -1
            y, y_class, values, codes = far_y, far_class, far_values, far_codes
            for i in range(packed_start, packed_end):
                rows[i] = home[rows[i]]
        if phase[t] == 0:
            start, end = first[t], last[t]
            here = varies[depth[t]]
            if t > 0:
                here[:] = varies[depth[t] - 1]
            if packed < 0 and end - start <= size:
                packed, packed_start, packed_end = top, start, end
                _pack(
                    is_class, here, slot, start, end, order, y, y_class, values, codes,
                    home, near_y, near_class, near_values, near_codes, local,
                )  # fmt: skip
                y, y_class, values, codes = near_y, near_class, near_values, near_codes
            risk[t], mean = _risk(is_class, by_deviance, y, y_class, rows, start, end, totals)
            if t == 0:
                alpha = cp * risk[0]
                bound[0] = risk[0]
            complexity[t] = alpha
            kept_risk[t] = risk[t]
            kept_splits[t] = 0
            left_child[t], column[t], cut[t], lower_left[t] = -1, NO_SPLIT, 0.0, False
            if remember:
                child[t], search[t, 0] = -1, UNSEARCHED
            top -= 1
            n_here = end - start
            if n_here < max(minsplit, 2 * minbucket):
                continue
            if min(risk[t], bound[t]) <= alpha or depth[t] >= maxdepth:
                continue

            # First the columns that stay as they are, or what the twin knows of them; then the volatile ones.
            best, best_column, best_cut = 0.0, NO_SPLIT, 0.0
            known = has_twin and twin[t] >= 0 and twin_search[twin[t], 0] != UNSEARCHED
            if known:
                best_column, best_cut = int(twin_search[twin[t], 0]), twin_search[twin[t], 1]
                best = twin_search[twin[t], 2]
                for d in range(n_design):
                    if not volatile[d]:
                        here[source[d]] = twin_varies[twin[t], source[d]]
            for turn in range(1 if known else 0, 2):
                tallied, present, lowest, highest, settled = -1, 0, 0, 0, False
                for d in range(n_design):
                    q = source[d]
                    if not keep[d] or not here[q] or volatile[d] != (turn == 1):
                        continue
                    if is_factor[d]:
                        if q != tallied:
                            tallied = q
                            present, lowest, highest = _tally(
                                is_class, y, y_class, codes, q, rows, start, end, mean, counts, sums, table
                            )
                            here[q] = present > 1
                            settled = present < 2
                        if settled:
                            continue
                        if is_class:
                            gain, place = _scan_contrast_classes(
                                n_here, d, score, by_score, counts, table, totals, minbucket, best, class_left
                            )
                        else:
                            gain, place = _scan_contrast_numbers(
                                n_here, d, score, by_score, counts, sums, minbucket, reciprocal, best
                            )
                        # Two levels can be parted in one way only: the first contrast that tells them apart.
                        settled = present == 2 and score[d, lowest] != score[d, highest]
                    elif values[q, order[slot[q], start]] == values[q, order[slot[q], end - 1]]:
                        here[q] = False
                        continue
                    elif is_class:
                        gain, place = _scan_classes(
                            y_class,
                            totals,
                            values[q],
                            order[slot[q]],
                            start,
                            end,
                            minbucket,
                            reciprocal,
                            best,
                            class_left,
                        )
                    else:
                        gain, place = _scan_numbers(
                            y, values[q], order[slot[q]], start, end, minbucket, reciprocal, best
                        )
                    if gain > best or (gain == best and gain > 0 and d < best_column):
                        best, best_column, best_cut = gain, d, place
                if turn == 0 and remember:
                    search[t, 0], search[t, 1], search[t, 2] = best_column, best_cut, best
            if known:
                search[t] = twin_search[twin[t]]
            if remember:
                varied[t] = here
            # Numeric gains are compared across nodes as shares of the node's risk.
            share = best if is_class or risk[t] == 0 else best / risk[t]
            largest_gain = max(largest_gain, share)
            if best_column == NO_SPLIT or share <= RELATIVE_GAIN * largest_gain:
                continue

            # Of neighbouring doubles the midpoint rounds onto one, so that a side has fewer rows than were counted:
            # none, or fewer than minbucket, and so many leaves of that kind that there is no room for them.
            n_below, lower = _mark(
                y, values, codes, source[best_column], is_factor[best_column], score[best_column], best_cut,
                rows, start, end, goes_left,
            )  # fmt: skip
            if n_below == 0 or n_below == n_here or n_nodes + 2 > capacity:
                continue
            lower_left[t] = lower
            middle = _partition(rows, start, end, goes_left, spare)
            if max(middle - start, end - middle) >= minsplit:
                for d in range(n_design):
                    q = source[d]
                    if keep[d] and not is_factor[d] and here[q]:
                        _partition(order[slot[q]], start, end, goes_left, spare)

            column[t], cut[t], left_child[t] = best_column, best_cut, n_nodes
            for side in range(2):
                c = n_nodes + side
                depth[c], phase[c], number[c] = depth[t] + 1, 0, 2 * number[t] + side
            if remember:
                child[t] = n_nodes
                alike = has_twin and twin[t] >= 0 and not volatile[best_column]
                alike = alike and twin_column[twin[t]] == best_column and twin_cut[twin[t]] == best_cut
                for side in range(2):
                    twin[n_nodes + side] = twin_child[twin[t]] + side if alike else -1
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
            bound[left + 1] = min(worth, bound[t]) - alpha
            phase[t] = 2
            top += 1
            stack[top] = left + 1

        else:
            top -= 1
            if not _collapse(t, left_child[t], alpha, risk, complexity, kept_risk, kept_splits):
                left_child[t] = -1

    known_nodes = n_nodes if remember else 0
    return (
        column[:n_nodes], cut[:n_nodes], lower_left[:n_nodes], left_child[:n_nodes], first[:n_nodes], last[:n_nodes],
        rows.copy(), number[:n_nodes], child[:known_nodes], search[:known_nodes], varied[:known_nodes],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def without_pruned(column, cut, lower_left, left, start, end, number):
    """Return the same arrays over nodes, level by level, without those that pruning left unreachable."""
    source = np.empty(column.shape[0], np.int32)
    child = np.empty(column.shape[0], np.int32)
    source[0], size, t = 0, 1, 0
    while t < size:
        old = left[source[t]]
        child[t] = size if old >= 0 else -1
        if old >= 0:
            source[size], source[size + 1] = old, old + 1
            size += 2
        t += 1
    kept = source[:size]
    return column[kept], cut[kept], lower_left[kept], child[:size].copy(), start[kept], end[kept], number[kept]


@njit(cache=True, nogil=True)
def assign_fitted(left, start, end, rows, leaf):
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
            stack[top + 1], stack[top + 2] = left[t], left[t] + 1
            top += 2


@njit(cache=True, nogil=True)
def assign(rows, values, codes, source, is_factor, score, column, cut, lower_left, left, leaf):
    """Write into `leaf` (len(rows),) the leaf that each row falls into, where it is not known (negative) yet."""
    under_way = np.empty(ABREAST, np.int64)
    for begin in range(0, rows.shape[0], ABREAST):
        walking = 0
        for i in range(begin, min(begin + ABREAST, rows.shape[0])):
            if leaf[i] < 0:
                leaf[i] = 0
                under_way[walking] = i
                walking += 1
        while walking > 0:
            arrived = walking
            walking = 0
            for k in range(arrived):
                i = under_way[k]
                t = leaf[i]
                if left[t] >= 0:
                    d, row = column[t], rows[i]
                    q = source[d]
                    x = score[d, codes[q, row]] if is_factor[d] else values[q, row]
                    leaf[i] = left[t] + ((x < cut[t]) != lower_left[t])
                    under_way[walking] = i
                    walking += 1


@njit(cache=True, nogil=True)
def draw_donors(leaf, start, end, uniforms):
    """Return for each leaf a position drawn uniformly from its run."""
    donors = np.empty(leaf.shape[0], np.int32)
    for i in range(leaf.shape[0]):
        t = leaf[i]
        donors[i] = start[t] + int(uniforms[i] * (end[t] - start[t]))
    return donors


@njit(cache=True, nogil=True)
def draw_others(leaf, rows, left, start, end, first, count, uniforms):
    """Return for each leaf a position drawn uniformly from its run, but for those of the row's own record.

    rows : the record of each draw. first, count : (records,), where a record's own positions begin, and how many they
    are. Where a leaf holds no others, the nearest node above it that does stands for it.
    """
    parent = np.full(left.shape[0], -1, np.int32)
    for t in range(left.shape[0]):
        if left[t] >= 0:
            parent[left[t]] = t
            parent[left[t] + 1] = t
    donors = np.empty(leaf.shape[0], np.int32)
    for i in range(leaf.shape[0]):
        t, row, own = leaf[i], rows[i], 0
        while True:
            own = 0
            if row < first.shape[0] and start[t] <= first[row] < end[t]:
                own = count[row]
            if own < end[t] - start[t] or parent[t] < 0:
                break
            t = parent[t]
        donors[i] = start[t] + int(uniforms[i] * (end[t] - start[t] - own))
        if own > 0 and donors[i] >= first[row]:
            donors[i] += own
    return donors


@njit(cache=True, nogil=True)
def merge_few(left, start, end, donors, least):
    """Make leaves, in `left`, of nodes above leaves with fewer than `least` distinct donors.

    left, start, end : over nodes, children behind their parents. donors : (n_fit,), leaf by leaf. Returns how many
    leaves had too few, and how many distinct donors the root has, at least or, if they are fewer, exactly.
    """
    few = 0
    distinct = np.empty(left.shape[0], np.int32)
    reachable = np.zeros(left.shape[0], np.bool_)
    reachable[0] = True
    for t in range(left.shape[0]):
        if reachable[t] and left[t] >= 0:
            reachable[left[t]] = True
            reachable[left[t] + 1] = True
    for t in range(left.shape[0] - 1, -1, -1):
        if not reachable[t]:
            continue
        if left[t] >= 0:
            if distinct[left[t]] >= least and distinct[left[t] + 1] >= least:
                distinct[t] = least
                continue
            left[t] = -1
        run = np.sort(donors[start[t] : end[t]])
        distinct[t] = 1
        for i in range(1, run.shape[0]):
            if distinct[t] == least:
                break
            distinct[t] += run[i] != run[i - 1]
        few += distinct[t] < least
    return few, distinct[0]
