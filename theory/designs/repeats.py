"""Parallel classes that must repeat some pairs, with few repeats: nets with columns taken out, and a search.

Where m is no prime power a net has few classes, and with m < B batches any two classes repeat pairs, as the B
points of one batch go to m < B others.
"""

import numpy as np
from jaxtyping import Float, Int

from theory.galois import GaloisField, prime_power


def next_prime_power(m: int) -> int:
    """The smallest prime power that is at least m."""
    q = max(m, 2)
    while prime_power(q) is None:
        q += 1
    return q


def punctured_class(batch_size: int, n_batches: int, number: int) -> Int[np.ndarray, "n_batches batch"]:
    """Class s < q of B m points in which few pairs meet that meet in another one, q the next prime power >= m.

    1. Point (r, c), in row r < B and column c < q, lies in batch c - f_s(r), computed in the field of q elements,
       with f_s(r) = r_1 s + r_2 s^2 + ... and r_i the digits of r in base q. Two rows differ by a polynomial of
       degree k, B <= q^k, which takes a value at most k times: for k < q no pair meets more than k times in the q
       classes, and for B <= q none meets twice. Pairs of one row never meet.
    2. The last q - m columns are taken out, and then the q - m batches that this leaves shortest. Their points,
       about (q - m) / m of all, fill up the others; what they meet there is as good as random.

    References:
        Bush, 1952, "Orthogonal arrays of index unity", Ann. Math. Stat. 23 (step 1; Reed-Solomon codes).
    """
    B, m = batch_size, n_batches
    q = next_prime_power(m)
    field, rows = GaloisField(q), np.arange(B)
    shift, power, digits = np.zeros(B, dtype=np.int64), np.array(1), rows
    while digits.any():
        power = field.multiply(power, number)
        shift = field.add(shift, field.multiply(digits % q, power))
        digits = digits // q
    columns = field.add(np.arange(q)[:, None], shift)
    points = np.where(columns < m, rows * m + columns, -1)
    points = np.roll(points, 7 * number, axis=0)  # so that it is not always the same points that move
    points = points[(points >= 0).sum(1).argsort(kind="stable")]
    short, batches = points[: q - m], points[q - m :]
    batches[batches < 0] = np.roll(short[short >= 0], 5 * number)
    return batches


def searched_classes(batch_size: int, n_batches: int, total: int) -> Int[np.ndarray, "total n_batches batch"]:
    """Classes one after the other, each with few pairs that have met before; a pure function of its arguments.

    Swaps of two points lower sum_{pairs of a batch} (how often they met before) until none does, from up to 16
    starting points, of which the best result is taken.

    Cost: for every class and start a few tens of passes over an n x n matrix, n = B m.
    """
    B, m = batch_size, n_batches
    n, rng = B * m, np.random.default_rng(0)
    classes: list[Int[np.ndarray, "m batch"]] = []
    met = np.zeros((n, n))
    for _ in range(total):
        starts = [rng.permutation(n).reshape(m, B) for _ in range(max(1, min(16, 1024 // n)))]
        ends = [_swapped(met, some) for some in starts]
        classes.append(min(ends, key=lambda some: _meetings(met, some).sum()))
        met[classes[-1][:, :, None], classes[-1][:, None, :]] += 1
        np.fill_diagonal(met, 0)
    return np.stack(classes)


def repeats(classes: Int[np.ndarray, "n_classes n_batches batch"]) -> int:
    """How many meetings are repetitions: the sum over pairs that meet x times of x (x - 1) / 2."""
    n = classes[0].size
    met = np.zeros((n, n))
    for some in classes:
        met[some[:, :, None], some[:, None, :]] += 1
    np.fill_diagonal(met, 0)
    return int((met * (met - 1)).sum()) // 4


def _meetings(
    met: Float[np.ndarray, "n n"], batches: Int[np.ndarray, "m batch"]
) -> Float[np.ndarray, "m batch batch"]:
    return met[batches[:, :, None], batches[:, None, :]]


def _swapped(met: Float[np.ndarray, "n n"], batches: Int[np.ndarray, "m batch"]) -> Int[np.ndarray, "m batch"]:
    """A local minimum: in every pass the best swaps that share no batch, so that their gains add up."""
    m, B = batches.shape
    label = np.empty(m * B, dtype=np.int64)
    label[batches.ravel()] = np.repeat(np.arange(m), B)
    everyone = np.arange(m * B)
    while True:
        cost = met @ np.eye(m)[label]  # of point i in batch b
        move = cost[:, label] - cost[everyone, label][:, None]  # of i going where j is
        change = move + move.T - 2 * met
        change[label[:, None] == label[None, :]] = 0
        partner = change.argmin(1)
        gain = change[everyone, partner]
        used = np.zeros(m, dtype=bool)
        for i in gain.argsort(kind="stable"):
            a, b = label[i], label[partner[i]]
            if gain[i] >= 0:
                break
            if not used[a] and not used[b]:
                used[a] = used[b] = True
                label[i], label[partner[i]] = b, a
        if not used.any():
            return label.argsort(kind="stable").reshape(m, B)
