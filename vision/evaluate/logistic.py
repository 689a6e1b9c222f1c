"""Multinomial logistic regression, fitted to convergence by L-BFGS on the device that the features are on."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

_MOST_ITERATIONS = 2000


@dataclass(frozen=True, eq=False)
class Classifier:
    """logits = x W + b."""

    weight: Float[Tensor, "dim n_classes"]
    bias: Float[Tensor, " n_classes"]
    iterations: int
    """That it took."""
    gradient: float
    """The largest entry of the gradient that is left."""

    def __call__(self, features: Float[Tensor, "n dim"]) -> Float[Tensor, "n n_classes"]:
        """The logits."""
        return features @ self.weight + self.bias


def fit_logistic(
    features: Float[Tensor, "n dim"],
    labels: Int64[Tensor, " n"],
    *,
    strength: float,
    n_classes: int,
    start: Classifier | None = None,
    tolerance: float = 5e-4,
    most_iterations: int | None = None,
) -> Classifier:
    """The minimiser of 1/n sum_i -log softmax(x_i W + b)_{y_i} + strength/2 |W|^2; the bias is free.

    It is scikit-learn's LogisticRegression with C = 1/(n strength). There is one minimiser (of b up to a common
    shift), so that the result depends on the data alone.

    The columns of features are as unequal and as correlated as an encoder makes them, on which L-BFGS is slow. So
    it works on Q, W = V diag(s) Q, where V are the eigenvectors of X^T X / n = V diag(e) V^T and
    s_j = (e_j / n_classes + strength)^{-1/2}: at small weights the Hessian is then about the identity. The
    objective stays what it is.

    Args:
        features: Columns centred, or nearly.
        labels: Classes below n_classes.
        strength: Of regularisation, positive.
        n_classes: Number of classes.
        start: Where to begin; saves time.
        tolerance: Of the largest entry of the gradient by Q and b. At the default the objective is within about
            1e-5 of its minimum, which is what float32 can tell.
        most_iterations: Stop after so many, converged or not; None to converge.

    Raises:
        ValueError: If the strength is not positive.

    Warns:
        RuntimeWarning: If it was to converge, and has not.

    Cost: 4 n dim n_classes operations an iteration, of which it takes 20 to 200.

    References:
        Liu and Nocedal, 1989 (L-BFGS); Böhning, 1992 (the Hessian's bound by X^T X).
    """
    if not 0 < strength < float("inf"):
        raise ValueError(f"strength of regularisation must be positive and finite, got {strength}; 1e-6 is little")
    n = len(features)
    variances, directions = torch.linalg.eigh(features.mT @ features / n)
    rotated = features @ directions
    scale = (variances.clamp_min(0) / n_classes + strength).rsqrt()[:, None]
    penalty = strength / 2 * scale.square()

    q = features.new_zeros(features.shape[1], n_classes)
    bias = features.new_zeros(n_classes)
    if start is not None:
        q.copy_((directions.mT @ start.weight) / scale)
        bias.copy_(start.bias)

    def objective() -> Tensor:
        logits = torch.addmm(bias, rotated, scale * q)
        return functional.cross_entropy(logits, labels) + (penalty * q.square()).sum()

    iterations, gradient = _minimise(objective, [q, bias], tolerance, most_iterations or _MOST_ITERATIONS)
    if most_iterations is None and gradient > 10 * tolerance:
        warnings.warn(
            f"logistic regression has not converged in {iterations} iterations: its gradient is {gradient:.1e}, "
            f"{tolerance:.0e} was asked for; the probe may be too low, a larger strength converges faster",
            RuntimeWarning,
            stacklevel=2,
        )
    bias = bias.detach()
    return Classifier(directions @ (scale * q.detach()), bias - bias.mean(), iterations, gradient)


@torch.enable_grad()
def _minimise(
    objective: Callable[[], Tensor], parameters: list[Tensor], tolerance: float, most_iterations: int
) -> tuple[int, float]:
    """Change the parameters to where the objective is least; iterations, and the largest entry of the gradient."""
    for parameter in parameters:
        parameter.requires_grad_()
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=most_iterations,
        max_eval=2 * most_iterations,
        tolerance_grad=tolerance,
        tolerance_change=torch.finfo(parameters[0].dtype).eps / 16,  # of an objective that is equal, in float32
        history_size=20,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = objective()
        value.backward()
        return value

    optimizer.step(closure)
    closure()
    gradient = max(float(parameter.grad.abs().max()) for parameter in parameters if parameter.grad is not None)
    return optimizer.state[parameters[0]]["n_iter"], gradient
