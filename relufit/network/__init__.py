"""The network as mathematics: weights, forward and gradients, optimizers, data and scaling, in any array namespace."""
