"""The best linear spline with so many pieces, and the network that it is: mathematics alone, by numpy and LAPACK.

To be read in this order; each file imports only from those before it:

- breaks: where a target is not smooth, so that a knot has to stand there;
- cells: a table, however long, as at most 2^20 places with the moments of their samples;
- pieces: a target as the six moments of each stretch between two knots, from samples or from functions. All below sees
  it so;
- density, lines: nodes of about equal errors, and all lines from node to node; paths: the shortest path over them;
- knots: where a search begins: by density, by the best separate lines, or by the best that meet;
- least_squares: the best values on given knots, and Newton's method on values and knots together, by banded systems;
- shifts: neighbours of a spline that Newton's method does not reach: a piece more here and one less there;
- units: how many hidden units a spline takes, and the network of those;
- search: from several starts to the best spline of so many units;
- selection: how many units there should be: as asked for, for a tolerance, by cross-validation.

`relufit.solvers.spline` fits functions and data by this; nothing here knows of training, backends or fits.
"""
