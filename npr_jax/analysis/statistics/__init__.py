"""The statistics of this project in one place; each lives in a file of its idea.

Label 1 is a generated image, 0 a photograph; scores are logits unless a threshold says otherwise;
every difference is a - b; intervals are 95 % intervals.
"""

from npr_jax.analysis.statistics.bootstrap import (
    METRICS,
    bootstrap_metric,
    bootstrap_seeds,
    evaluate_metric,
)
from npr_jax.analysis.statistics.paired_tests import delong, holm, mcnemar, paired_t, wilcoxon
from npr_jax.analysis.statistics.systems import compare_systems
from npr_jax.analysis.statistics.variants import (
    compare_variants,
    compare_with_baseline,
    seed_summary,
)
from npr_jax.analysis.statistics.wording import beyond_noise, format_test, sentence

__all__ = [
    "METRICS",
    "beyond_noise",
    "bootstrap_metric",
    "bootstrap_seeds",
    "compare_systems",
    "compare_variants",
    "compare_with_baseline",
    "delong",
    "evaluate_metric",
    "format_test",
    "holm",
    "mcnemar",
    "paired_t",
    "seed_summary",
    "sentence",
    "wilcoxon",
]
