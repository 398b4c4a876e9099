"""What is fitted, as moments between knots: a function, a table of samples, or cells of a large one."""
