"""The best linear spline with a given number of pieces, and the network equal to it, by numpy and LAPACK.

To be read in this order; each file imports only from those before it:

- breaks: where a target is not smooth, so that a knot there may make a fit exact;
- cells: a table, however long, as at most 2^20 places with the moments of their samples;
- ranges: the moments of any run of samples, however narrow;
- pieces: a target as the six moments of each stretch between two knots; functions and samples: the two kinds of
  targets, which all files below see in this way;
- density, lines: nodes of about equal errors, and all lines from node to node; paths: the shortest path over them;
- knots: by density, by the best separate lines, or by the best that meet;
- least_squares: the best values on given knots; newton: Newton's method on values and knots together; both by the
  banded systems of banded;
- units: how many hidden units a spline takes, and the network of those;
- neighbours: splines near one that Newton's method does not reach from it;
- starts: the splines that a search begins with; open_splines: from there to the best one with a given number of pieces;
- closing: how a spline takes one unit less; search: the best spline that a given number of units can be;
- criterion: what units of a table are worth;
- selection: how many units there should be: as asked for, for a tolerance, or as many as a table supports.

`relufit.solvers.spline` fits functions and data by this; nothing here knows of training, backends or fits.
"""
