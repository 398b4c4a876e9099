"""The training loop as torch's tutorials write it: TensorDataset, random_split, DataLoader, nn.MSELoss, optim."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from bench.recipes import Kept, Trained
from relufit import SGD, Adam, Momentum, Params, Plan, Samples, State
from relufit.backends.torch import TorchBackend
from relufit.network.checks import check_input, check_shapes, check_training
from relufit.network.optim import Optimizer
from relufit.network.params import Array

# Names of torch's moments, in the order of State.moments.
MOMENTS: dict[type, tuple[str, ...]] = {SGD: (), Momentum: ("momentum_buffer",), Adam: ("exp_avg", "exp_avg_sq")}


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
    """The tutorial's loop as a Backend: modules, loaders and optimizers are torch's own."""

    algorithm, order, precisions = "recipe", "own", ()

    def __init__(self, name: str = "torch-recipe", device: str = "cpu") -> None:
        super().__init__(name, device)
        self._model = Kept(_module)

    def forward(self, params: Params, x: Array) -> Array:
        check_input(params, x)
        with torch.no_grad():
            return self._model(params)(x)

    def loss_and_grads(self, params: Params, samples: Samples) -> tuple[Array, Params]:
        check_shapes(params, samples)
        model = self._model(params)
        model.zero_grad()
        loss = nn.MSELoss()(model(samples.x), samples.y)
        loss.backward()
        return loss.detach(), Params(*(p.grad.t() for p in model.parameters() if p.grad is not None))

    def train(self, state: State, samples: Samples, optimizer: Optimizer, plan: Plan, epochs: range) -> Trained:
        check_training(state, samples, optimizer, plan, epochs)
        dataset = TensorDataset(samples.x, samples.y)
        # The harness has already held out the test samples; random_split keeps the tutorial's Subset, and its cost.
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
        trees = [[optim.state[p][name] for p in model.parameters()] for name in MOMENTS[type(optimizer)]]
        params, *moments = (Params(*(t.detach().t() for t in tree)) for tree in (model.parameters(), *trees))
        return State(params, tuple(moments), state.step + steps), torch.as_tensor(np.asarray(losses))


def _module(params: Params) -> TwoReLUNet:
    (inputs, hidden), outputs = params.w1.shape, params.w2.shape[1]
    with torch.device("meta"):  # skip the initial weights of nn.Linear, which are not measured
        model = TwoReLUNet(inputs, hidden, outputs)
    for layer, weight, bias in ((model.fc1, params.w1, params.b1), (model.fc2, params.w2, params.b2)):
        layer.weight = nn.Parameter(weight.detach().T.clone(memory_format=torch.contiguous_format))
        layer.bias = nn.Parameter(bias.detach().clone())
    return model


def _optimizer(model: TwoReLUNet, optimizer: Optimizer, state: State) -> torch.optim.Optimizer:
    """Torch's own optimizer, continuing from the moments of `state`."""
    weights, rate = model.parameters(), optimizer.learning_rate
    optim: torch.optim.Optimizer
    if isinstance(optimizer, Adam):
        optim = torch.optim.Adam(weights, rate, (optimizer.beta1, optimizer.beta2), optimizer.eps)
    else:
        optim = torch.optim.SGD(weights, rate, getattr(optimizer, "momentum", 0.0))
    for index, parameter in enumerate(model.parameters()):
        for name, moment in zip(MOMENTS[type(optimizer)], state.moments, strict=True):
            optim.state[parameter][name] = moment[index].t().clone(memory_format=torch.contiguous_format)
        if isinstance(optimizer, Adam):
            optim.state[parameter]["step"] = torch.tensor(float(state.step))
    return optim
