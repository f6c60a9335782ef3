"""``predict --engine=ray`` on a cluster of two nodes, one of which goes away."""

import contextlib
import threading

import pytest

ray = pytest.importorskip("ray", reason="needs the extra ray")
pytest.importorskip("pyarrow")
from pyarrow import dataset  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from benchmarks import ray_faults  # noqa: E402
from benchmarks.simulated_scorer import write_table  # noqa: E402
from npr_jax.cluster.session import TRIES, session  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    # Ray's own, about the process that it starts its servers from and files it leaves to the end.
    pytest.mark.filterwarnings("default"),
]
PICTURES = 200
OF_EACH = {"num_cpus": 2, "object_store_memory": 100 * 2**20, "include_dashboard": False}


def started():
    """Two nodes. On a busy machine one of Ray's servers does not wait long enough for another."""
    for tries_left in reversed(range(TRIES)):
        cluster = Cluster()
        try:
            cluster.add_node(**OF_EACH)
            return cluster, cluster.add_node(**OF_EACH)
        except Exception as error:  # as in npr_jax.cluster.session
            cluster.shutdown()
            if not tries_left or "timed out" not in str(error):
                raise


@contextlib.contextmanager
def two_nodes():
    """A cluster on this machine, and the node that is not its head."""
    cluster, other = started()
    try:
        with session(ray, cluster.address):
            yield cluster, other
    finally:
        cluster.shutdown()


def test_both_score_and_the_loss_of_one_loses_nothing(tmp_path):
    write_table(tmp_path / "pictures.parquet", PICTURES)
    ended, removed = threading.Event(), []
    hold = tmp_path / ray_faults.HOLD
    hold.touch()

    def remove_one_when_both_score(cluster, node):
        while len(ray_faults.nodes_that_scored(tmp_path)) < 2:
            if ended.wait(0.05):
                return
        cluster.remove_node(node, allow_graceful=False)
        removed.append(node)
        hold.unlink()

    with two_nodes() as (cluster, other):
        remover = threading.Thread(target=remove_one_when_both_score, args=(cluster, other))
        remover.start()
        try:
            # One more than fit on one of the nodes.
            status = ray_faults.one_job(str(tmp_path), cluster.address, workers=3)
        finally:
            ended.set()
            remover.join()
    assert status == 0
    assert removed, "both have scored"
    ids = [row["id"] for row in dataset.dataset(tmp_path / "scores").to_table().to_pylist()]
    assert sorted(map(int, ids)) == list(range(PICTURES))
