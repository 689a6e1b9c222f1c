"""A second opinion on the hinge, supervised and ranking losses: float64 loops, written from the formulas.

u and v are numpy arrays [n_pairs, dim], pair by pair. Nothing here is shared with `losses/`, and nothing is fast.
"""

import math


def triplet(u, v, *, margin, mining="all", squared=False, negatives=None):
    """Mean over anchors of the mean over the anchor's triplets of max(0, d(a, p) - d(a, n) + margin)."""
    n_pairs = len(u)
    total = 0.0
    for i in range(n_pairs):
        others = [v[j] for j in range(n_pairs) if j != i] if negatives is None else [negatives[i]]
        near = _measure(u[i], v[i], squared)
        far = [_measure(u[i], x, squared) for x in others]
        if mining == "hardest":
            far = [min(far)] if far else []
        if mining == "semi_hard":
            far = [d for d in far if near < d < near + margin]
        if far:
            total += sum(max(0.0, near - d + margin) for d in far) / len(far)
    return total / n_pairs


def contrastive(u, v, *, margin, same=None):
    """(1/2) d^2 for partners, (1/2) max(0, margin - d)^2 for the others; an anchor's negatives are averaged."""
    n_pairs = len(u)
    total = 0.0
    for i in range(n_pairs):
        if same is not None:
            total += _cost(u[i], v[i], bool(same[i]), margin)
            continue
        total += _cost(u[i], v[i], True, margin)
        for j in range(n_pairs):
            if j != i:
                total += _cost(u[i], v[j], False, margin) / (n_pairs - 1)
    return total / n_pairs


def supcon(u, v, *, temperature, labels=None, base_temperature=None):
    """-(1/2B) sum_i (1/|P(i)|) sum_(p in P(i)) log( e^(z_i.z_p / tau) / sum_(k != i) e^(z_i.z_k / tau) )."""
    labels = list(range(len(u))) if labels is None else list(labels)
    z, y = [*u, *v], [*labels, *labels]
    total = 0.0
    for i in range(len(z)):
        others = [k for k in range(len(z)) if k != i]
        logits = {k: _dot(z[i], z[k]) / temperature for k in others}
        largest = max(logits.values())
        denominator = largest + math.log(sum(math.exp(x - largest) for x in logits.values()))
        positives = [k for k in others if y[k] == y[i]]
        total -= sum(logits[p] - denominator for p in positives) / len(positives)
    factor = 1.0 if base_temperature is None else temperature / base_temperature
    return factor * total / len(z)


def cosent(u, v, scores, *, temperature):
    """log(1 + sum_((i, j): y_i > y_j) e^((s_j - s_i) / tau)), s the inner product of a pair."""
    return _ranking([_dot(a, b) for a, b in zip(u, v, strict=True)], scores, temperature)


def angle(u, v, scores, *, temperature):
    """The same ranking, of s = |Re q + Im q| with q the inner product of u and v as complex unit vectors."""
    half = u.shape[-1] // 2
    similarity = []
    for a, b in zip(u, v, strict=True):
        q = 0j
        for k in range(half):
            q += complex(a[k], a[k + half]) * complex(b[k], b[k + half]).conjugate()
        q /= math.sqrt(_dot(a, a)) * math.sqrt(_dot(b, b))
        similarity.append(abs(q.real + q.imag))
    return _ranking(similarity, scores, temperature)


def _ranking(similarity, scores, temperature):
    n_pairs = len(similarity)
    total = 1.0
    for i in range(n_pairs):
        for j in range(n_pairs):
            if scores[i] > scores[j]:
                total += math.exp((similarity[j] - similarity[i]) / temperature)
    return math.log(total)


def _cost(x, y, partners, margin):
    distance = _measure(x, y, squared=False)
    return distance**2 / 2 if partners else max(0.0, margin - distance) ** 2 / 2


def _measure(x, y, squared):
    total = 0.0
    for a, b in zip(x, y, strict=True):
        total += float(a - b) ** 2
    return total if squared else math.sqrt(total)


def _dot(x, y):
    return sum(float(a) * float(b) for a, b in zip(x, y, strict=True))
