"""The training loop as torch's tutorials write it: TensorDataset, random_split, DataLoader, nn.MSELoss, optim."""

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from bench.recipes import Kept
from relufit.backend import Samples
from relufit.backends.torch import TorchBackend
from relufit.checks import check_input, check_shapes, check_training
from relufit.data import Plan
from relufit.optim import SGD, Adam, Momentum, Optimizer, State
from relufit.params import Array, Params

MOMENTS: dict[type[Optimizer], tuple[str, ...]] = {  # names of torch's moments, in the order of State.moments
    SGD: (), Momentum: ("momentum_buffer",), Adam: ("exp_avg", "exp_avg_sq"),
}  # fmt: skip


class TwoReLUNet(nn.Module):
    """fc1, relu1, fc2."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(hidden, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, D) -> (N, O)."""
        return self.fc2(self.relu1(self.fc1(x)))


class TorchRecipe(TorchBackend):
    """The tutorial's loop behind the verbs: modules, loaders and optimizers are torch's own."""

    algorithm = "recipe"
    order = "own"

    def __init__(self, name: str = "torch-recipe", device: str = "cpu") -> None:
        super().__init__(name, device)
        self._model = Kept(_module)

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        model = self._model(params)
        with torch.no_grad():
            return model(x)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        model = self._model(params)
        model.zero_grad()
        loss = nn.MSELoss()(model(samples.x), samples.y)
        loss.backward()
        return loss.detach(), Params(*(p.grad.t() for p in _parameters(model) if p.grad is not None))

    def train(
        self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range
    ) -> tuple[State, Array]:
        check_training(state, samples, optimizer, plan, epochs)
        dataset = TensorDataset(samples.x, samples.y)
        # The harness has already held the test samples out; the tutorial's Subset, and its cost, stay.
        generator = torch.Generator().manual_seed(state.step)
        train_set, _ = random_split(dataset, [len(dataset), 0], generator)
        loader = DataLoader(train_set, batch_size=plan.batch, shuffle=plan.order is not None, generator=generator)
        model, criterion = _module(state.params), nn.MSELoss()
        optim = _optimizer(model, optimizer, state)
        losses, steps = [], 0
        for _ in epochs:
            model.train()
            total = 0.0
            for inputs, targets in loader:
                optim.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optim.step()
                total += loss.item() * len(inputs)
                steps += 1
            losses.append(total / len(dataset))
        return _state(model, optim, optimizer, state.step + steps), torch.as_tensor(np.asarray(losses))


def _module(params: Params) -> TwoReLUNet:
    (inputs, hidden), outputs = params.w1.shape, params.w2.shape[1]
    with torch.device("meta"):  # the initial draw of nn.Linear is not what is measured
        model = TwoReLUNet(inputs, hidden, outputs)
    for layer, weight, bias in ((model.fc1, params.w1, params.b1), (model.fc2, params.w2, params.b2)):
        layer.weight = nn.Parameter(weight.detach().T.clone(memory_format=torch.contiguous_format))
        layer.bias = nn.Parameter(bias.detach().clone())
    return model


def _parameters(model: TwoReLUNet) -> tuple[torch.Tensor, ...]:
    return model.fc1.weight, model.fc1.bias, model.fc2.weight, model.fc2.bias


def _optimizer(model: TwoReLUNet, optimizer: Optimizer, state: State) -> torch.optim.Optimizer:
    """Torch's own optimizer, continuing from the moments of `state`."""
    settings: dict[str, Any] = {"lr": optimizer.learning_rate}
    if isinstance(optimizer, Adam):
        settings |= {"betas": (optimizer.beta1, optimizer.beta2), "eps": optimizer.eps}
    elif isinstance(optimizer, Momentum):
        settings["momentum"] = optimizer.momentum
    rule = torch.optim.Adam if isinstance(optimizer, Adam) else torch.optim.SGD
    optim: torch.optim.Optimizer = rule(model.parameters(), **settings)
    for index, parameter in enumerate(_parameters(model)):
        for name, moment in zip(MOMENTS[type(optimizer)], state.moments, strict=True):
            optim.state[parameter][name] = moment[index].t().clone(memory_format=torch.contiguous_format)
        if isinstance(optimizer, Adam):
            optim.state[parameter]["step"] = torch.tensor(float(state.step))
    return optim


def _state(model: TwoReLUNet, optim: torch.optim.Optimizer, optimizer: Optimizer, step: int) -> State:
    parameters = _parameters(model)
    moments = (Params(*(optim.state[p][name].detach().t() for p in parameters)) for name in MOMENTS[type(optimizer)])
    return State(Params(*(p.detach().t() for p in parameters)), tuple(moments), step)
