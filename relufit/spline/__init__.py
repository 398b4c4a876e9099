"""The best linear spline with a given number of pieces, and the network equal to it, by numpy and LAPACK.

Read the files in this order; each imports only from those before it:

- breaks: points where a target is not smooth, so that a knot there may make a fit exact;
- cells: a table of any length as at most 2^20 cells with the moments of their samples;
- ranges: the moments of any run of samples, however narrow;
- pieces: a target as the six moments of each piece between two knots; functions and samples: the two types of
  targets, which all files below access in this way;
- density, lines: nodes of about equal errors, and all lines from node to node; paths: the shortest path over them;
- knots: by density, by the best separate lines, or by the best joined lines;
- least_squares: the best values on given knots; newton: Newton's method on values and knots together; both solve the
  banded systems of banded;
- units: the number of hidden units of a spline, and its network;
- neighbours: splines near a given one that Newton's method does not reach from it;
- starts: the splines that a search begins with; open_splines: the best spline with a given number of pieces;
- closing: splines that need one unit less; search: the best spline for a given number of units;
- criterion: scores for splines of a table with different numbers of units;
- selection: the number of units: as given, for a tolerance, or chosen from the data.

`relufit.solvers.spline` fits functions and data by this package, which does not depend on training, backends or fits.
"""
