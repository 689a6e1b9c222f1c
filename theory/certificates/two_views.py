"""One view for two: unit vectors z_i for pairs (u_i, v_i) that lie at least as far apart as the pairs do.

**Lemma.** There is a map z of pairs of unit vectors of R^d to unit vectors of R^d, with z(u, u) = u, such that
for all pairs (u, v) and (u', v')

    |z - z'|^2 >= (u - u').(v - v').

So for every loss that depends on s_ij + s_ji - s_ii - s_jj = -(u_i - u_j).(v_i - v_j), and increases with it, z
in both views is at least as good as u and v: what is proved for equal views holds for all. `logarithms` uses it
for InfoNCE and CLIP.

**The map.** x = (u + v) / 2 and y = (u - v) / 2 are orthogonal with |x|^2 + |y|^2 = 1: let u = cos a x^ + sin a y^,
v = cos a x^ - sin a y^, with x^ and y^ unit and 0 <= a <= pi / 2. Then

    z = x^                                 if a <= pi / 4, that is u.v >= 0,
    z = sin 2a x^ - cos 2a y^              otherwise.

**Proof.** Let b, x^', y^' belong to (u', v'), and let z = F t, z' = F' t' with F = [x^ y^], F' = [x^' y^']. As
(u - u').(v - v') = |x - x'|^2 - |y - y'|^2, the claim is, after halving,

    tr(M^T F^T F') <= sin^2 a + sin^2 b,      M = t t'^T - diag(cos a cos b, -sin a sin b).

The norm of F^T F' is at most 1, so it is enough that the sum of the singular values of M is, and that sum squared
is |M|_F^2 + 2 |det M|. Write X = cos(a + b), Y = cos(a - b); then cos a cos b = (Y + X) / 2 and sin a sin b = (Y
- X) / 2 are not negative, so |X| <= Y <= 1, and sin^2 a + sin^2 b = 1 - X Y.

* a, b <= pi / 4: M = diag(1 - cos a cos b, sin a sin b), of sum 1 - X <= 1 - X Y as X >= 0.
* b <= pi / 4 < a: M has the rows (sin 2a - cos a cos b, 0) and (-cos 2a, sin a sin b), det M >= 0 as 2 sin a >=
  cos b. The squared sum is (sin 2a - X)^2 + cos^2 2a = 1 - 2 X sin 2a + X^2, at most (1 - X Y)^2 iff X^2 (1 -
  Y^2) <= 2 X (sin 2a - Y). Let T = a - b in [0, pi / 2] and e = a + b - pi / 2, so that X = -sin e and sin 2a =
  cos(T + e). The difference sin 2a - Y is -2 sin(e / 2) sin(T + e / 2), and the inequality, divided by 4 sin^2(e
  / 2) cos(e / 2) >= 0, is cos(e / 2) sin^2 T <= 2 sin(T + e / 2). Here 0 <= T + e = 2a - pi / 2 <= pi / 2, so
  that T + e / 2 lies in [T / 2, pi / 2], and 2 sin(T + e / 2) >= 2 sin(T / 2) >= sin T >= sin^2 T.
* a, b > pi / 4: X < 0, det M = (X + Y) / 2 (1 - 2 X Y - (Y - X) / 2) >= 0, and the squared sum is
  1 + 2 X + X^2 - 4 X Y^2. It is (1 - X Y)^2 + X (1 - Y) (X (1 + Y) + 2 + 4 Y), at most (1 - X Y)^2 because
  X (1 + Y) + 2 + 4 Y >= 1 + 3 Y > 0. QED

The lemma is this project's own.
"""

import numpy as np
from jaxtyping import Float


def one_view(u: Float[np.ndarray, "n dim"], v: Float[np.ndarray, "n dim"]) -> Float[np.ndarray, "n dim"]:
    """The z_i of the module's docstring; where u_i = -v_i, z_i = u_i.

    Args:
        u: unit rows.
        v: unit rows.

    >>> u, v = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    >>> one_view(u, v).round(3).tolist()
    [[0.707, 0.707], [0.0, 1.0]]
    """
    x, y = (u + v) / 2, (u - v) / 2
    cos, sin = (np.linalg.norm(w, axis=1, keepdims=True) for w in (x, y))
    near = x / np.maximum(cos, np.finfo(float).tiny)
    far = 2 * sin * x + (sin**2 - cos**2) * y / np.maximum(sin, np.finfo(float).tiny)
    return np.where(cos >= sin, near, far)
