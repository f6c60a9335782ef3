"""Who waits, who is told to come back, and what of it fails alone."""

import concurrent.futures
import threading
import time

import pytest

import npr_jax
from npr_jax.serving.limits import Busy, Refused
from npr_jax.serving.service import warm_up
from tests.serving.test_limits import works

PATIENCE = 300  # seconds for what comes at once, on a machine that may be busy
WITHOUT_END = 50_000  # pictures


class Slow(npr_jax.Detector):
    """A detector that waits, or fails, when it is told to."""

    def __init__(self, like):
        super().__init__(like.model, source="test")
        self.may_go = threading.Event()
        self.entered = threading.Event()
        self.failing = False

    def iter_logits(self, images):
        self.entered.set()
        assert self.may_go.wait(PATIENCE)
        if self.failing:
            raise RuntimeError("secret detail of /home/someone")
        return super().iter_logits(images)


@pytest.fixture
def slow(detector):
    return Slow(detector)


def test_a_full_queue_says_busy_and_when_to_come_back(make_client, ask, good, slow):
    client = make_client(slow, waiting=2)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = [pool.submit(ask, client, ("a.png", good)) for _ in range(3)]
        deadline = time.monotonic() + PATIENCE
        while client.service.inside < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert client.get("/health").json()["status"] == "busy"
        refused = ask(client, ("b.png", good))
        with pytest.raises(Busy):
            client.service.assess("c.png", good)
        slow.may_go.set()
        assert [future.result().status_code for future in running] == [200] * 3
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert "busy" in refused.json()["error"]
    works(client, ask, good)
    assert client.get("/health").json() | {"status": "ok", "inside": 0} == (
        client.get("/health").json()
    )


def test_an_unexpected_failure_is_one_requests_own(make_client, ask, good, slow, caplog):
    client = make_client(slow)
    slow.failing = True
    slow.may_go.set()
    answer = ask(client, ("a.png", good))
    assert answer.status_code == 500
    assert "went wrong here" in answer.json()["error"]
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text, "the log has it"
    several = ask(client, ("a.png", good), ("b.png", b"?"))
    assert [result["status"] for result in several.json()["results"]] == [500, 415]
    slow.failing = False
    works(client, ask, good)


def test_what_is_cancelled_is_not_computed(make_client, good, slow):
    service = make_client(slow).service
    cancelled = threading.Event()
    results = service.score_many([("a.png", good)] * 100, cancelled.is_set)
    slow.may_go.set()
    assert next(results).result.score is not None
    cancelled.set()
    with pytest.raises(Refused, match="Cancelled"):
        list(results)
    assert service.inside == 0


def test_a_single_picture_passes_between_those_of_a_batch(make_client, good, slow):
    service = make_client(slow).service
    passed, taken = threading.Event(), []

    def files():
        while len(taken) < WITHOUT_END and not passed.is_set():
            taken.append("a.png")
            yield "a.png", good

    def single():
        service.assess("b.png", good, delivery=False, evidence=False)
        passed.set()

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(lambda: list(service.score_many(files())))]
        assert slow.entered.wait(PATIENCE)
        running.append(pool.submit(single))
        slow.may_go.set()
        for future in running:
            future.result()
    assert len(taken) < WITHOUT_END, "it did not wait for the end of the batch"


def test_requests_of_many_files_read_theirs_when_it_is_their_turn(make_client, good, slow):
    service = make_client(slow).service
    read = threading.Semaphore(0)
    stop = threading.Event()

    def files():
        read.release()
        yield "a.png", good

    def batch():
        return [found.result.error for found in service.score_many(files(), stop.is_set)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        running = [pool.submit(batch) for _ in range(7)]
        for _ in range(4):
            assert read.acquire(timeout=PATIENCE)
        assert not read.acquire(timeout=0.5), "the fifth one's files are not in memory"
        # A single picture does not wait for any of them to end.
        single = pool.submit(service.assess, "b.png", good, delivery=False, evidence=False)
        slow.may_go.set()
        assert single.result(PATIENCE).result.error == ""
        assert [future.result(PATIENCE) for future in running] == [[""]] * 7
    assert service.inside == 0


def test_pictures_looked_at_closely_keep_their_place(make_client, ask, good, slow):
    client = make_client(slow, waiting=1)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        several = pool.submit(ask, client, *[("a.png", good)] * 3, query="?evidence=1")
        assert slow.entered.wait(PATIENCE)
        slow.may_go.set()
        refused = [ask(client, ("b.png", good)).status_code for _ in range(3)]
        answer = several.result()
    assert set(refused) <= {200, 503}
    assert [result["status"] for result in answer.json()["results"]] == [200] * 3


def test_a_broken_detector_keeps_the_server_from_starting(make_client, slow):
    slow.failing = True
    slow.may_go.set()
    with pytest.raises(Refused, match="went wrong"):
        warm_up(make_client(slow).service)


def test_a_stopping_server_says_busy(make_client, good):
    service = make_client().service
    service.close()
    with pytest.raises(Busy):
        service.assess("a.png", good)
