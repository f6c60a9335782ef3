"""How reading scales: images per second of the training iterator on 1, 2, 4 ... cores.

python -m benchmarks.gpu.cores --json=FILE --data=DIR [--seconds=1]

The data are those that `benchmarks.gpu.feed` has made. Each number of cores is measured in a
process of its own that is bound to so many, and reads in threads and in as many worker processes:
the better counts. The goal is 0.8 times the cores' number times one core's rate.
"""

import argparse
import pathlib

from benchmarks import fresh_process
from benchmarks.gpu import finding
from input_pipeline.cores import available_cores

SHARE = 0.8


def counts(cores: int) -> list[int]:
    """1, all, and what lies between: 2, 4 ...; should the time run out, the ends are there."""
    return list(dict.fromkeys([1, cores, *(2**power for power in range(cores.bit_length()))]))


def main() -> None:
    """Measures and writes after every number of cores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", required=True, help="file for the results")
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    flags = parser.parse_args()
    rates: dict[int, dict[str, float]] = {}
    findings = []
    for cores in counts(available_cores()):
        rates[cores] = fresh_process.rates_on_cores(flags.data, cores, flags.seconds)
        for name, rate in rates[cores].items():
            times = rate / rates[1][name]
            label = f"{name} on {cores} cores, {rate:,.0f} images/s: times one core's"
            goal = name != "decoded" and cores > 1
            findings.append(
                finding.at_least(label, times, SHARE * cores)
                if goal
                else finding.fact(label, times)
            )
        finding.write(flags.json, findings, images_per_second=rates)


if __name__ == "__main__":
    main()
