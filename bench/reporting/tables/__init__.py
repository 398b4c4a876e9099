"""Every table of the report by its name, in the order of results/README.md."""

from bench.reporting.tables.answer import ANSWER
from bench.reporting.tables.crossovers import CPU_GPU, CROSSOVER
from bench.reporting.tables.learning import AGREEMENT, CONVERGENCE, SOLVERS_TABLE, TRAJECTORY
from bench.reporting.tables.summary import HEADLINE_TABLE, SUMMARY_TABLE
from bench.reporting.tables.throughput import BACKENDS, ENSEMBLES, MEMORY, REDUCED, SCALING, THROUGHPUT
from bench.reporting.tables.verdicts import VERDICTS

TABLES = {
    table.name: table
    for table in (
        ANSWER, THROUGHPUT, HEADLINE_TABLE, REDUCED, SCALING, ENSEMBLES, CONVERGENCE, AGREEMENT, TRAJECTORY, MEMORY,
        SOLVERS_TABLE, BACKENDS, VERDICTS, SUMMARY_TABLE, CROSSOVER, CPU_GPU,
    )
}  # fmt: skip
