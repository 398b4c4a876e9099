"""Forward and gradients by hand, in any array namespace: the reference that every backend is compared with.

    z = x W1 + b1        h = relu(z)        y = h W2 + b2        loss = mean over N and O of (y - target)^2

Every function takes the namespace as `xp` and stays inside the array API standard (https://data-apis.org/array-api),
so the same lines run on numpy, on cupy, on torch (through array_api_compat) and on array_api_strict, which is how they
are checked on a machine without a GPU. No array library is imported here. Inputs are never modified.

`count` is the number of samples that the mean is over. It defaults to the rows given; with the whole batch's count,
the losses and gradients of the parts of a batch add up to those of the batch.
"""

from typing import Any

from relufit.network.params import Array, Params


def forward(params: Params, x: Array, *, xp: Any) -> Array:
    """The network's output: x (N, D) -> y (N, O)."""
    return _hidden(params, x, xp) @ params.w2 + params.b2


def loss_and_grads(params: Params, x: Array, y: Array, *, xp: Any, count: int | None = None) -> tuple[Array, Params]:
    """Loss (0-d) and gradients for x (N, D) and targets y (N, O), by the cheaper form for the number of outputs."""
    form = loss_and_grads_one_output if y.shape[1] == 1 else loss_and_grads_textbook
    return form(params, x, y, xp=xp, count=count)


def loss_and_grads_textbook(
    params: Params, x: Array, y: Array, *, xp: Any, count: int | None = None
) -> tuple[Array, Params]:
    """The chain rule, layer by layer, for any D and O: the readable reference. relu'(0) = 0."""
    terms = (count or x.shape[0]) * y.shape[1]
    h = _hidden(params, x, xp)  # (N, H)
    error = h @ params.w2 + params.b2 - y  # (N, O)

    dy = error * (2 / terms)  # (N, O)
    dz = xp.where(h > 0, dy @ params.w2.T, 0)  # (N, H): h > 0 exactly where z > 0
    grads = Params(x.T @ dz, xp.sum(dz, axis=0), h.T @ dy, xp.sum(dy, axis=0))
    return xp.sum(error * error) * (1 / terms), grads


def loss_and_grads_one_output(
    params: Params, x: Array, y: Array, *, xp: Any, count: int | None = None
) -> tuple[Array, Params]:
    """Loss and gradients for O = 1, by two masked sums per unit, without another (N, H) array of gradients.

    With the mask m = [z > 0], S0_j = sum_n dy_n m_nj and S1_dj = sum_n dy_n x_nd m_nj, all gradients follow, because
    h = m (x W1 + b1):    db1 = w2 S0,    dW1 = w2 S1,    dw2_j = sum_d W1_dj S1_dj + b1_j S0_j,    db2 = sum dy.
    """
    terms = count or x.shape[0]
    h = _hidden(params, x, xp)  # (N, H)
    error = h @ params.w2 + params.b2 - y  # (N, 1)

    dy = error * (2 / terms)  # (N, 1)
    mask = xp.astype(h > 0, x.dtype)  # (N, H)
    sums = mask.T @ xp.concat([dy, dy * x], axis=1)  # (H, 1 + D)
    s0, s1 = sums[:, 0], sums[:, 1:].T  # (H,), (D, H)
    w2 = params.w2[:, 0]  # (H,)
    dw2 = xp.sum(params.w1 * s1, axis=0) + params.b1 * s0  # (H,)
    grads = Params(w2 * s1, w2 * s0, dw2[:, None], xp.sum(dy, axis=0))
    return xp.sum(error * error) * (1 / terms), grads


def _hidden(params: Params, x: Array, xp: Any) -> Array:
    """relu(x W1 + b1): (N, D) -> (N, H). A nan in z stays nan, so that divergence shows in the loss."""
    # A broadcast product beats `@` at inner dimension 1, where BLAS is poor (numpy: twice as fast at N = 800).
    z = x * params.w1 if params.w1.shape[0] == 1 else x @ params.w1  # (N, H)
    z += params.b1
    return xp.maximum(z, 0)
