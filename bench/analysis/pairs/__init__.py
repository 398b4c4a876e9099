"""Two rows of one case side by side: two backends, two runs or two commits, and what can be told apart."""
