"""Statistics of a run: frame in, frame out, every random draw seeded.

`metric` reads scores, `cells` sums up each cell, `pairs` compares cells, `tasks` compares across tasks, `variance`
says what the spread comes from, `tuning` what the learning rate did.
"""

from bench.labels import cell_label
from bench.stats.cells import CONVERGENCE, QUARTILES, bootstrap_interval, collapsed, convergence, curve_bands, iqm
from bench.stats.metric import CELL, Floats, Metric, Pair, Tasks, finished, noun, score_table, scores, told_seeds
from bench.stats.moderated import LEVEL, moderated_tests
from bench.stats.pairs import (
    cliffs_delta,
    holm,
    probability_of_improvement,
    seeds_needed,
    signed_rank,
    smallest_seen,
)
from bench.stats.tasks import (
    PerformanceProfile,
    RankTest,
    critical_difference,
    friedman,
    performance_profile,
    rank_flips,
    rank_table,
    rank_test,
)
from bench.stats.tuning import (
    best_learning_rates,
    best_so_far,
    default_against_tuned,
    equal_trials,
    expected_best,
    good_region,
    learning_rate_sensitivity,
    several_searched,
    under_tuned,
)
from bench.stats.variance import SHARES, share_sentence, tuning_shares, variance_shares

__all__ = [
    "CELL",
    "CONVERGENCE",
    "LEVEL",
    "QUARTILES",
    "SHARES",
    "Floats",
    "Metric",
    "Pair",
    "PerformanceProfile",
    "RankTest",
    "Tasks",
    "best_learning_rates",
    "best_so_far",
    "bootstrap_interval",
    "cell_label",
    "cliffs_delta",
    "collapsed",
    "convergence",
    "critical_difference",
    "curve_bands",
    "default_against_tuned",
    "equal_trials",
    "expected_best",
    "finished",
    "friedman",
    "good_region",
    "holm",
    "iqm",
    "learning_rate_sensitivity",
    "moderated_tests",
    "noun",
    "performance_profile",
    "probability_of_improvement",
    "rank_flips",
    "rank_table",
    "rank_test",
    "score_table",
    "scores",
    "seeds_needed",
    "several_searched",
    "share_sentence",
    "signed_rank",
    "smallest_seen",
    "told_seeds",
    "tuning_shares",
    "under_tuned",
    "variance_shares",
]
