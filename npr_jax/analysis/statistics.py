"""The statistics of this project in one place; each lives in a file of its idea.

Label 1 is a generated image, 0 a photograph; scores are logits unless a threshold says else; every
difference is a - b; intervals are of 95 % unless asked for otherwise.
"""

from npr_jax.analysis.bootstrap import (
    SeedsEstimate,
    bootstrap_difference,
    bootstrap_interval,
    bootstrap_seeds,
    bootstrap_seeds_and_images,
    evaluate_metric,
)
from npr_jax.analysis.conclusions import beyond_noise, format_test, sentence
from npr_jax.analysis.counted_measures import METRICS
from npr_jax.analysis.delong import DeLong, delong
from npr_jax.analysis.paired_tests import PairedTest, holm, mcnemar, paired_t, wilcoxon
from npr_jax.analysis.systems import ImageTest, SystemsComparison, compare_systems
from npr_jax.analysis.variants import (
    GeneratorComparison,
    SeedSummary,
    VariantComparison,
    compare_variants,
    compare_with_baseline,
    seed_summary,
)

__all__ = [
    "METRICS",
    "DeLong",
    "GeneratorComparison",
    "ImageTest",
    "PairedTest",
    "SeedSummary",
    "SeedsEstimate",
    "SystemsComparison",
    "VariantComparison",
    "beyond_noise",
    "bootstrap_difference",
    "bootstrap_interval",
    "bootstrap_seeds",
    "bootstrap_seeds_and_images",
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
