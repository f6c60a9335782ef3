"""One made-up run and its page, for all tests that only read them."""

import pytest

from npr_jax.analysis.report import build_report
from tests.analysis.made_up import write_run


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def page(workdir):
    return build_report(workdir).read_text(encoding="utf-8")
