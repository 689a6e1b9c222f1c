"""Local certificates: whether given embeddings are a local minimum of a loss, and no more than that.

Embeddings are a point of the product of 2 N spheres. There f has the Riemannian gradient P grad f, P the
projection onto the tangent space, and the Riemannian Hessian: the derivative along a great circle of the
Riemannian gradient, projected. At a local minimum the first is 0 and the second has no negative eigenvalue; if
the first is 0 and the second is positive but for the directions of common rotations of u and v, which change no
loss of inner products, it *is* a local minimum, and the only one nearby up to rotation. Nothing follows for
points far away.

References:
    Absil, Mahony and Sepulchre, 2008, "Optimization algorithms on matrix manifolds", sections 4.1, 5.5 and 6.1.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from theory.formulas.objectives import Batches, Objective, Points

LARGEST = 600
"""Variables, 2 N d, up to which a Hessian is computed."""
_STEP = 1e-5
"""Angle, in radians, of the central differences of the exact gradient."""
_ZERO = 1e-5
"""Eigenvalues up to this share of the largest count as 0: central differences are exact to (step / tau)^2."""


@dataclass(frozen=True)
class LocalCertificate:
    """First and second derivatives at a point; they speak of its neighbourhood only.

    Attributes:
        gradient: norm of the Riemannian gradient, in nats per radian.
        smallest: smallest eigenvalue of the Riemannian Hessian on the complement of the rotations; infinite if
            there is nothing but rotations.
        largest: its largest absolute eigenvalue, the scale to judge by.
        zeros: how many eigenvalues of the whole Hessian are 0, up to 1e-5 of the largest.
        rotations: dimension of the common rotations: of them come so many zeros; at most d (d - 1) / 2.
    """

    gradient: float
    smallest: float
    largest: float
    zeros: int
    rotations: int

    @property
    def stationary(self) -> bool:
        """Whether the gradient is 0, up to 1e-5 of the largest eigenvalue."""
        return self.gradient <= _ZERO * self.largest

    @property
    def local_minimum(self) -> bool:
        """Whether it is a strict local minimum modulo rotations, as far as float64 can tell."""
        return self.stationary and self.smallest > _ZERO * self.largest

    @property
    def saddle(self) -> bool:
        """Whether it is stationary and some direction goes down: no local minimum."""
        return self.stationary and self.smallest < -_ZERO * self.largest


def local_certificate(
    u: Points, v: Points, function: Objective, batches: Batches | None = None
) -> LocalCertificate:
    """Gradient and Hessian of a loss at unit embeddings.

    Args:
        u: unit rows.
        v: unit rows of the same shape.
        function: from `theory.formulas.objectives.objective`.
        batches: as there.

    Raises:
        ValueError: if 2 N d is above 600, or d < 2 (there is no neighbourhood).

    Cost:
        4 N (d - 1) gradients, and the eigenvalues of a matrix of size 2 N (d - 1).
    """
    n, dim = u.shape
    if dim < 2:
        raise ValueError(
            f"dim must be at least 2, received {dim}; unit vectors of one dimension have no neighbours"
        )
    if 2 * n * dim > LARGEST:
        raise ValueError(
            f"2 N d must be at most {LARGEST} for a Hessian, received 2 * {n} * {dim} = {2 * n * dim}; "
            "take fewer pairs or dimensions, or a gradient alone"
        )
    x = np.concatenate([u, v])
    frames = np.stack([_tangent_frame(row) for row in x])

    def gradient(points: Points) -> Points:
        _, du, dv = function(points[:n], points[n:], batches)
        slope = np.concatenate([du, dv])
        return slope - (slope * points).sum(1, keepdims=True) * points

    def in_frames(tangent: Points) -> Float[np.ndarray, " m"]:
        return np.einsum("id,ikd->ik", tangent, frames).ravel()

    hessian = _hessian(x, frames, lambda points: in_frames(gradient(points)))
    turns = _rotations(x, in_frames)
    rest = _complement(turns)
    values = np.linalg.eigvalsh(hessian)
    largest = float(np.abs(values).max())
    inner = np.linalg.eigvalsh(rest.T @ hessian @ rest) if rest.shape[1] else np.array([np.inf])
    return LocalCertificate(
        gradient=float(np.linalg.norm(gradient(x))),
        smallest=float(inner[0]),
        largest=largest,
        zeros=int((np.abs(values) <= _ZERO * largest).sum()),
        rotations=hessian.shape[0] - rest.shape[1],
    )


def _hessian(
    x: Points,
    frames: Float[np.ndarray, "n directions dim"],
    gradient: Callable[[Points], Float[np.ndarray, " m"]],
) -> Float[np.ndarray, "m m"]:
    """Central differences of the gradient along the great circles of every tangent direction, made symmetric."""
    columns = []
    for i, frame in enumerate(frames):
        for direction in frame:
            ends = []
            for sign in (1, -1):
                moved = x.copy()
                moved[i] = np.cos(_STEP) * x[i] + sign * np.sin(_STEP) * direction
                ends.append(gradient(moved))
            columns.append((ends[0] - ends[1]) / (2 * _STEP))
    hessian = np.stack(columns, axis=1)
    return (hessian + hessian.T) / 2


def _tangent_frame(point: Float[np.ndarray, " dim"]) -> Float[np.ndarray, "dim-1 dim"]:
    """An orthonormal basis of the vectors orthogonal to a point."""
    _, _, rows = np.linalg.svd(point[None])
    return rows[1:]


def _rotations(x: Points, in_frames: Callable[[Points], Float[np.ndarray, " m"]]) -> Float[np.ndarray, "m turns"]:
    """The directions in which x moves under the rotations of the planes of two axes."""
    dim = x.shape[1]
    turns = []
    for i in range(dim):
        for j in range(i):
            moved = np.zeros_like(x)
            moved[:, i], moved[:, j] = x[:, j], -x[:, i]
            turns.append(in_frames(moved))
    return np.stack(turns, axis=1)


def _complement(directions: Float[np.ndarray, "m turns"]) -> Float[np.ndarray, "m rest"]:
    """An orthonormal basis of what is orthogonal to all directions."""
    left, sizes, _ = np.linalg.svd(directions)
    rank = int((sizes > 1e-8 * max(1.0, float(sizes[0]))).sum())
    return left[:, rank:]
