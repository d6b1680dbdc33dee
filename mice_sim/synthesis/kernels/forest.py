"""Trees of a random forest (Breiman 2001) on presorted columns, and draws from the leaves that a row falls into.

A tree is grown on a bootstrap sample, kept as a weight for each row. At every node `mtry` design columns are drawn and
the best cut among them is taken, as ranger does (Wright & Ziegler 2017): a node of at most `min_node` rows or with one
value of y is a leaf, and a cut need not improve the fit. Every node is a run of the list of all fit rows, in the sample
or not, and of one list for each numeric column, that holds the sampled rows in its order; a stable partition keeps
these lists in step, so nothing is sorted below the root.

All is in this file because a compiled function is stored with the date of its own file alone.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NO_CUT = -1.0
# So many rows walk down a tree side by side: the memory answers one while it is asked by the next.
ABREAST = 256
# A subtree of so many rows is grown on a copy of them, side by side, that fits into the processor's cache.
PACKED = 16384


@njit(inline="always")
def _scan_numbers(y, weight, mean, n, values, q, order, start, end):
    """Return (gain, cut) of the best cut of numeric column q for a numeric target; gain NO_CUT if x is constant.

    The gain is S_L²/n_L + S_R²/n_R, S the sum of deviations from the node's mean.
    """
    best, cut = NO_CUT, 0.0
    n_left, left_sum = 0.0, 0.0
    row = order[start]
    value = values[q, row]
    for i in range(start + 1, end):
        n_left += weight[row]
        left_sum += weight[row] * (y[row] - mean)
        row = order[i]
        following = values[q, row]
        if following != value:
            gain = left_sum * left_sum * n / (n_left * (n - n_left))
            if gain > best:
                best, cut = gain, (value + following) / 2
        value = following
    return best, cut


@njit(inline="always")
def _scan_classes(y_class, weight, totals, n, values, q, order, start, end, left):
    """Return (gain, cut) of the best cut of numeric column q for a class target: the drop in n·Gini."""
    left_squares, right_squares = 0.0, 0.0
    for k in range(totals.shape[0]):
        left[k] = 0.0
        right_squares += totals[k] * totals[k]
    base = right_squares / n
    best, cut = NO_CUT, 0.0
    n_left = 0.0
    row = order[start]
    value = values[q, row]
    for i in range(start + 1, end):
        k, w = y_class[row], weight[row]
        n_left += w
        left_squares += w * (2 * left[k] + w)
        right_squares -= w * (2 * (totals[k] - left[k]) - w)
        left[k] += w
        row = order[i]
        following = values[q, row]
        if following != value:
            gain = left_squares / n_left + right_squares / (n - n_left) - base
            if gain > best:
                best, cut = max(gain, 0.0), (value + following) / 2
        value = following
    return best, cut


@njit(inline="always")
def _scan_contrast(d, score, by_score, counts, table, totals, n, left):
    """Return (gain, cut) of the best cut of contrast d, given each level's rows and sums (numeric) or classes."""
    base = 0.0
    for k in range(totals.shape[0]):
        left[k] = 0.0
        base += totals[k] * totals[k]
    base /= n
    best, cut = NO_CUT, 0.0
    n_left, previous = 0.0, -1
    for level in by_score[d]:
        if counts[level] == 0:
            continue
        if previous >= 0 and score[d, level] != score[d, previous]:
            gain = -base
            for k in range(totals.shape[0]):
                right = totals[k] - left[k]
                gain += left[k] * left[k] / n_left + right * right / (n - n_left)
            if gain > best:
                best, cut = max(gain, 0.0), (score[d, previous] + score[d, level]) / 2
        n_left += counts[level]
        for k in range(totals.shape[0]):
            left[k] += table[level, k]
        previous = level
    return best, cut


@njit(inline="always")
def _tally(is_class, y, y_class, weight, mean, codes, q, rows, start, end, counts, table):
    """Sum up a node's sampled rows by level of factor q: their number, and their deviations or classes."""
    counts[:] = 0.0
    table[:] = 0.0
    for i in range(start, end):
        row = rows[i]
        level, w = codes[q, row], weight[row]
        counts[level] += w
        if is_class:
            table[level, y_class[row]] += w
        else:
            table[level, 0] += w * (y[row] - mean)


@njit(inline="always")
def _look(is_class, y, y_class, weight, rows, start, end, totals):
    """Return (sampled rows, mean, whether y takes one value only) of a node; write the classes into `totals`."""
    totals[:] = 0.0
    n, total, lowest, highest = 0.0, 0.0, np.inf, -np.inf
    for i in range(start, end):
        row = rows[i]
        w = weight[row]
        if w > 0:
            n += w
            total += w * y[row]
            lowest, highest = min(lowest, y[row]), max(highest, y[row])
            if is_class:
                totals[y_class[row]] += w
    return n, total / n, lowest == highest


@njit(inline="always")
def _partition(rows, start, end, goes_left, spare):
    """Stably move the rows that go left to the front of [start, end); return where the others begin."""
    kept, moved = start, 0
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
def _bootstrap(rng, fit_rows, weight):
    """Draw a bootstrap sample: write into `weight` how often each row is in it."""
    n = fit_rows.shape[0]
    for _ in range(n):
        weight[fit_rows[int(rng.random() * n)]] += 1


@njit(inline="always")
def _choose(rng, pool, mtry):
    """Bring `mtry` random entries of `pool` to its front."""
    for i in range(mtry):
        other = i + int(rng.random() * (pool.shape[0] - i))
        pool[i], pool[other] = pool[other], pool[i]


@njit(inline="always")
def _pack(
    is_class, source, is_factor, kept, slot, rows, start, end, order, first, last, y, y_class, weight, values, codes,
    home, near_y, near_class, near_weight, near_values, near_codes, local,
):  # fmt: skip
    """Copy what a node's rows hold, and write the copies' numbers into its lists."""
    n = end - start
    for i in range(n):
        row = rows[start + i]
        home[i], local[row], rows[start + i] = row, i, i
        near_y[i], near_weight[i] = y[row], weight[row]
        if is_class:
            near_class[i] = y_class[row]
    seen = -1
    for d in kept:
        q = source[d]
        if q == seen:
            continue
        seen = q
        for i in range(n):
            if is_factor[d]:
                near_codes[q, i] = codes[q, home[i]]
            else:
                near_values[q, i] = values[q, home[i]]
        if not is_factor[d]:
            for i in range(first, last):
                order[slot[q], i] = local[order[slot[q], i]]


@njit(cache=True, nogil=True)
def grow_tree(
    y,
    n_classes,
    fit_rows,
    values,
    codes,
    orders,
    source,
    is_factor,
    score,
    by_score,
    kept,
    mtry,
    min_node,
    packed_rows,
    rng,
):
    """Grow one tree on a bootstrap sample of the fit rows.

    Parameters
    ----------
    y, n_classes, fit_rows, values, codes, orders, source, is_factor, score, by_score : as of `tree.grow`.
    kept : (D,). The design columns that may be used.
    packed_rows : most rows of a subtree that is grown on a copy of them; it changes the speed alone.
    mtry : how many of them are drawn at a node, ≤ D. min_node : most sampled rows in a node that is not split.

    Returns
    -------
    column, cut, left, start, end : arrays over nodes, the root first. `left` is −1 in a leaf, else the child of the
        rows with x < cut, and the other child follows it; [start, end) is the node's run in `rows`.
    rows : uint32 (n_fit,). All fit rows, leaf by leaf.
    """
    n_fit, is_class = fit_rows.shape[0], n_classes > 0
    weight = np.zeros(y.shape[0])
    _bootstrap(rng, fit_rows, weight)
    rows = fit_rows.copy()
    y_class = np.zeros(y.shape[0] if is_class else 1, np.uint32)
    sampled = 0
    for i in range(n_fit):
        sampled += weight[rows[i]] > 0
        if is_class:
            y_class[rows[i]] = np.uint32(y[rows[i]])

    # One list of the sampled rows for each numeric column; the last cell takes what is not sampled.
    slot = np.full(values.shape[0], -1, np.int32)
    n_lists = 0
    for d in kept:
        if not is_factor[d]:
            slot[source[d]] = n_lists
            n_lists += 1
    order = np.empty((n_lists, sampled + 1), np.uint32)
    for q in range(slot.shape[0]):
        if slot[q] >= 0:
            place = 0
            for i in range(n_fit):
                order[slot[q], place] = orders[q, i]
                place += weight[orders[q, i]] > 0

    capacity = 2 * sampled - 1
    column, left = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    cut = np.empty(capacity)
    start, end = np.empty(capacity, np.int32), np.empty(capacity, np.int32)  # the run in `rows`
    first, last = np.empty(capacity, np.int32), np.empty(capacity, np.int32)  # the run in `order`
    pool = kept.copy()
    counts = np.zeros(score.shape[1])
    table = np.zeros((score.shape[1], max(n_classes, 1)))
    totals, class_left = np.zeros(max(n_classes, 1)), np.zeros(max(n_classes, 1))
    goes_left = np.zeros(y.shape[0], np.uint8)
    spare = np.empty(n_fit, np.uint32)

    packed, packed_start, packed_end = -1, 0, 0
    far_y, far_class, far_weight, far_values, far_codes = y, y_class, weight, values, codes
    size = packed_rows if n_fit > packed_rows else 0
    home = np.empty(size, np.uint32)
    local = np.empty(y.shape[0] if size > 0 else 0, np.uint32)
    near_y, near_class, near_weight = np.empty(size), np.empty(size, np.uint32), np.empty(size)
    near_values, near_codes = np.empty((values.shape[0], size)), np.empty((values.shape[0], size), codes.dtype)

    # The larger child waits: then the stack holds no more nodes than n_fit can be halved.
    stack = np.empty(64, np.int32)
    stack[0], top, n_nodes = 0, 0, 1
    start[0], end[0], first[0], last[0] = 0, n_fit, 0, sampled
    while top >= 0:
        t = stack[top]
        if top < packed:
            packed = -1
            y, y_class, weight, values, codes = far_y, far_class, far_weight, far_values, far_codes
            for i in range(packed_start, packed_end):
                rows[i] = home[rows[i]]
        if packed < 0 and end[t] - start[t] <= size:
            packed, packed_start, packed_end = top, start[t], end[t]
            _pack(
                is_class, source, is_factor, kept, slot, rows, start[t], end[t], order, first[t], last[t],
                y, y_class, weight, values, codes,
                home, near_y, near_class, near_weight, near_values, near_codes, local,
            )  # fmt: skip
            y, y_class, weight, values, codes = near_y, near_class, near_weight, near_values, near_codes
        top -= 1
        column[t], cut[t], left[t] = -1, 0.0, -1
        n, mean, pure = _look(is_class, y, y_class, weight, rows, start[t], end[t], totals)
        if pure or n <= min_node:
            continue
        _choose(rng, pool, mtry)
        best, best_column, best_cut = NO_CUT, -1, 0.0
        for d in pool[:mtry]:
            q = source[d]
            if is_factor[d]:
                _tally(is_class, y, y_class, weight, mean, codes, q, rows, start[t], end[t], counts, table)
                gain, place = _scan_contrast(d, score, by_score, counts, table, totals, n, class_left)
            elif is_class:
                gain, place = _scan_classes(
                    y_class, weight, totals, n, values, q, order[slot[q]], first[t], last[t], class_left
                )
            else:
                gain, place = _scan_numbers(y, weight, mean, n, values, q, order[slot[q]], first[t], last[t])
            if gain > best:
                best, best_column, best_cut = gain, d, place
        if best_column < 0:
            continue

        q = source[best_column]
        below, n_below = 0, 0.0
        for i in range(start[t], end[t]):
            row = rows[i]
            x = score[best_column, codes[q, row]] if is_factor[best_column] else values[q, row]
            goes_left[row] = x < best_cut
            below += goes_left[row] and weight[row] > 0
            n_below += goes_left[row] * weight[row]
        if below == 0 or below == last[t] - first[t]:
            continue  # neighbouring doubles whose midpoint rounds onto one of them
        for k in range(n_lists if max(n_below, n - n_below) > min_node else 0):
            _partition(order[k], first[t], last[t], goes_left, spare)
        column[t], cut[t], left[t] = best_column, best_cut, n_nodes
        start[n_nodes], first[n_nodes], last[n_nodes] = start[t], first[t], first[t] + below
        end[n_nodes] = _partition(rows, start[t], end[t], goes_left, spare)
        start[n_nodes + 1], end[n_nodes + 1] = end[n_nodes], end[t]
        first[n_nodes + 1], last[n_nodes + 1] = last[n_nodes], last[t]
        right_is_larger = 2 * end[n_nodes] < start[t] + end[t]
        stack[top + 1], stack[top + 2] = n_nodes + right_is_larger, n_nodes + 1 - right_is_larger
        top += 2
        n_nodes += 2
    if packed >= 0:
        for i in range(packed_start, packed_end):
            rows[i] = home[rows[i]]
    return column[:n_nodes], cut[:n_nodes], left[:n_nodes], start[:n_nodes], end[:n_nodes], rows


@njit(inline="always")
def _own(row, b, start, end, first, count):
    """Return how many places in [start, end) of tree b's list are of the row's own record."""
    if row >= count.shape[0] or not start <= first[b, row] < end:
        return 0
    return count[row]


@njit(cache=True, nogil=True)
def draw(
    rows, values, codes, source, is_factor, score, root, column, cut, left, start, end, n_fit, first, count, uniforms
):
    """Return for each row the place of a donor, drawn uniformly from the leaves it falls into, in all trees' lists.

    root : (trees,). The node with which each tree begins in the arrays over nodes; tree b's list begins at b · n_fit.
    first, count : (trees, records) and (records,), where a record's own places begin in each list, and how many they
    are; they are not drawn. Without others in its leaves, a record takes any other of the first tree.
    """
    n_trees = root.shape[0]
    leaf = np.empty((n_trees, ABREAST), np.int32)
    under_way = np.empty(ABREAST, np.int32)
    chosen = np.empty(rows.shape[0], np.int64)
    for begin in range(0, rows.shape[0], ABREAST):
        size = min(ABREAST, rows.shape[0] - begin)
        for b in range(n_trees):
            for i in range(size):
                leaf[b, i], under_way[i] = root[b], i
            walking = size
            while walking > 0:
                arrived = walking
                walking = 0
                for k in range(arrived):
                    i = under_way[k]
                    t = leaf[b, i]
                    if left[t] >= 0:
                        d, row = column[t], rows[begin + i]
                        x = score[d, codes[source[d], row]] if is_factor[d] else values[source[d], row]
                        leaf[b, i] = left[t] + (x >= cut[t])
                        under_way[walking] = i
                        walking += 1
        for i in range(size):
            row, total = rows[begin + i], 0
            for b in range(n_trees):
                t = leaf[b, i]
                total += end[t] - start[t] - _own(row, b, start[t], end[t], first, count)
            if total == 0:
                leaf[0, i] = root[0]
                total = end[root[0]] - _own(row, 0, 0, end[root[0]], first, count)
            place, b = int(uniforms[begin + i] * total), 0
            while True:
                t = leaf[b, i]
                own = _own(row, b, start[t], end[t], first, count)
                if place < end[t] - start[t] - own:
                    break
                place -= end[t] - start[t] - own
                b += 1
            place += start[t]
            if own > 0 and place >= first[b, row]:
                place += own
            chosen[begin + i] = b * n_fit + place
    return chosen
