"""The Slurm script and the JobSet of docs/scale: what they start, and what they start again."""

import os
import subprocess

import pytest

from npr_jax.cli.main import COMMANDS
from tests import runs

SCALE = runs.ROOT / "docs" / "scale"
# Slurm's commands, and a Python that writes down its arguments and ends as it is told.
STUBS = {
    "scontrol": 'case "$1" in show) printf "node1\\nnode2\\n";; *) echo "$@" >> "$SAID";; esac',
    "srun": """
        shift
        for rank in 0 1; do SLURM_PROCID=$rank "$@" || status=$?; done
        exit ${status:-0}""",
    "python": 'printf "%s\\n" "$*" >> "$SAID"; exit "$STATUS"',
}


def submitted(tmp_path, status):
    """What the script says to Python and to Slurm in a job of two tasks, which end so."""
    for name, body in STUBS.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    said = tmp_path / "said"
    job = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_JOB_ID": "4711", "SLURM_NTASKS": "2"}
    own = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SAID": str(said), "STATUS": str(status)}
    finished = subprocess.run(
        [SCALE / "train.slurm", "--config=configs/npr.py", "--workdir=a b"],
        env=os.environ | job | own,
        check=False,
    )
    return finished.returncode, said.read_text().splitlines()


@pytest.mark.parametrize("status", [0, 1, 75])
def test_slurm_starts_each_task_with_its_number_and_again_only_what_was_saved(tmp_path, status):
    ended, said = submitted(tmp_path, status)
    assert ended == status
    command = "main.py train --config=configs/npr.py --workdir=a b --preempted_status=75"
    processes = "--coordinator=node1:24711 --num_processes=2"
    expected = [f"{command} {processes} --process_id={rank}" for rank in (0, 1)]
    assert said == expected + ["requeue 4711"] * (status == 75)


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_the_job_set_starts_what_there_is():
    yaml = pytest.importorskip("yaml")
    job_set = yaml.safe_load((SCALE / "train-jobset.yaml").read_text())
    [job] = job_set["spec"]["replicatedJobs"]
    spec = job["template"]["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert container["command"] == ["npr-jax", "train"]
    flags, words = COMMANDS["train"].parse(
        [a.replace("$(JOB_COMPLETION_INDEX)", "1") for a in container["args"]], COMMANDS.values()
    )
    assert not words
    assert spec["completions"] == spec["parallelism"] == flags.num_processes
    # Its pods are called JOBSET-JOB-0-NUMBER in the domain JOBSET.
    name = job_set["metadata"]["name"]
    [port] = [own["containerPort"] for own in container["ports"]]
    assert flags.coordinator == f"{name}-{job['name']}-0-0.{name}:{port}"
    [rule] = spec["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [flags.preempted_status]
    assert rule["onExitCodes"]["containerName"] == container["name"]
