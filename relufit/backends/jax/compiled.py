"""The network as pure functions of jax: compiled by XLA, differentiated by autodiff, in full or reduced precision."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from relufit.network.optim import Optimizer
from relufit.network.params import Array, Params
from relufit.network.precision import loss_scale

HIGHEST = lax.Precision.HIGHEST
NARROW = {"bfloat16": jnp.bfloat16, "float16": jnp.float16}  # what operands are converted to
Moments = tuple[Params, ...]
Carry = tuple[Params, Moments]  # passed from each step to the next


@partial(jax.custom_vjp, nondiff_argnums=(2,))
@partial(jax.jit, static_argnums=2)
def product(left: Array, right: Array, precision: str) -> Array:
    """The product of left (N, K) and right (K, M), operands rounded to the precision; sums and result in float32."""
    if precision == "tf32":
        return jnp.matmul(left, right, precision=lax.DotAlgorithmPreset.TF32_TF32_F32)
    left, right = (array.astype(NARROW[precision]) for array in (left, right))
    return jnp.matmul(left, right, preferred_element_type=jnp.float32)


def _product_and_operands(left: Array, right: Array, precision: str) -> tuple[Array, tuple[Array, Array]]:
    narrow = NARROW.get(precision, jnp.float32)
    return product(left, right, precision), (left.astype(narrow), right.astype(narrow))


def _product_backward(precision: str, operands: tuple[Array, Array], d: Array) -> tuple[Array, Array]:
    """The derivatives by both operands, whose own products are rounded alike."""
    left, right = operands
    return product(d, right.T, precision), product(left.T, d, precision)


product.defvjp(_product_and_operands, _product_backward)


@partial(jax.jit, static_argnums=2)
def network(params: Params, x: Array, precision: str) -> Array:
    """(N, D) -> (N, O); jax.nn.relu has the derivative 0 at 0, where that of jnp.maximum is 1/2."""

    def times(left: Array, right: Array) -> Array:
        return product(left, right, precision) if precision else jnp.matmul(left, right, precision=HIGHEST)

    hidden = jax.nn.relu(times(x, params.w1) + params.b1)  # (N, H)
    return times(hidden, params.w2) + params.b2


def _loss(params: Params, x: Array, y: Array, precision: str) -> Array:
    return jnp.mean((network(params, x, precision) - y) ** 2)


@partial(jax.jit, static_argnums=3)
def loss_and_grads(params: Params, x: Array, y: Array, precision: str) -> tuple[Array, Params]:
    """The mean squared error and its gradients; float16 scales the loss before the backward pass."""
    scale = loss_scale(precision, y.size)
    loss, grads = jax.value_and_grad(lambda params: _loss(params, x, y, precision) * scale)(params)
    return loss / scale, Params(*(grad / scale for grad in grads))


def _run(
    params: Params,
    moments: Moments,
    x: Array,
    y: Array,
    order: Array | None,  # (epochs, N)
    table: Array,  # (epochs, steps, coefficients)
    rate: Array | None = None,
    *,
    rule: type[Optimizer],
    precision: str,
    batch: int,
) -> tuple[Params, Moments, Array]:
    """All steps of all epochs; losses (epochs,). A scan takes whole batches; the ragged last batch is one more step."""
    n = x.shape[0]
    whole = 0 if batch == n else n // batch

    def step(carry: Carry, piece: tuple[Array, Array, Array]) -> tuple[Carry, Array]:
        (params, moments), (x, y, numbers) = carry, piece
        loss, grads = loss_and_grads(params, x, y, precision)
        if rate is not None:
            numbers = numbers.at[0].multiply(rate)  # every rule's first coefficient is proportional to its rate
        return rule.updated(params, moments, grads, numbers), loss

    def epoch(carry: Carry, given: tuple[Array | None, Array]) -> tuple[Carry, Array]:
        order, numbers = given
        drawn_x, drawn_y = (x, y) if order is None else (x[order], y[order])
        head, total = whole * batch, 0.0
        if whole:
            pieces = (a[:head].reshape(whole, batch, -1) for a in (drawn_x, drawn_y))
            carry, losses = lax.scan(step, carry, (*pieces, numbers[:whole]))
            total = losses.sum() * (batch / n)
        if head < n:
            carry, loss = step(carry, (drawn_x[head:], drawn_y[head:], numbers[whole]))
            total += loss * ((n - head) / n)
        return carry, total

    (params, moments), losses = lax.scan(epoch, (params, moments), (order, table))
    return params, moments, losses


train = partial(jax.jit, static_argnames=("rule", "precision", "batch"))(_run)


@partial(jax.jit, static_argnames=("rule", "precision", "batch"))
def train_many(
    params: Params,
    moments: Moments,
    x: Array,
    y: Array,
    order: Array | None,
    table: Array,
    *,
    rates: Array,  # (M,)
    rule: type[Optimizer],
    precision: str,
    batch: int,
) -> tuple[Params, Moments, Array]:
    """`_run` by vmap over M networks, whose arrays have a leading axis M; y is shared, or (N, M), a column for each."""

    def one(params: Params, moments: Moments, y: Array, rate: Array) -> tuple[Params, Moments, Array]:
        return _run(params, moments, x, y, order, table, rate, rule=rule, precision=precision, batch=batch)

    shared = y.shape[1] == params.w2.shape[2]
    targets = y if shared else y.T[:, :, None]
    return jax.vmap(one, in_axes=(0, 0, None if shared else 0, 0))(params, moments, targets, rates)
