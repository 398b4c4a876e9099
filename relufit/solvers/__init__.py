"""Solvers: each takes a `relufit.fits.Problem`, and returns a `relufit.fits.Fit`.

- training: by gradients in minibatches, on any backend: sgd, momentum and adam;
  slices: training in slices of whole epochs, which the benchmarks use too;
- lbfgs: by scipy's L-BFGS on all samples at once, the gradient from any backend;
  lifting: weighted samples for that;
- decay: by L-BFGS with weight decay and early stopping, both chosen by cross-validation;
  ridge: the ridge regression that it starts from;
- spline: by the best linear spline of `relufit.spline`, for one input and one output; nothing is trained.
- methods: the solvers as values, for options that only one of them has.

`relufit.fit` chooses among them, except for decay, which `relufit.sklearn` uses. They do not import each other, except
that decay trains by lbfgs.
"""

from relufit.solvers.methods import LBFGS, FreeKnotSpline, GradientDescent

__all__ = ["LBFGS", "FreeKnotSpline", "GradientDescent"]
