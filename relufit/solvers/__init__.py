"""What finds the weights: each solver takes a `relufit.fits.Problem`, and returns a `relufit.fits.Fit`.

- training: by gradients in minibatches, on any backend: sgd, momentum and adam;
  slices: a training cut into stretches of epochs, which the harness cuts its own into too;
- lbfgs: by scipy's L-BFGS on all samples at once, the gradient from any backend;
  lifting: weighted samples for that;
- decay: by L-BFGS with a penalty on the weights and an early end, both chosen by cross-validation; ridge: its start;
- spline: by the best linear spline of `relufit.spline`, for one input and one output; nothing is trained.

`relufit.fit` chooses among them. They do not know each other, but for decay, which trains by lbfgs.
"""
