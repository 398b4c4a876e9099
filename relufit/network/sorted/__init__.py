"""The network of one input along sorted x: its knots and lines, and gradients from moments of the samples between."""
