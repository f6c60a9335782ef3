"""The commit that a run records: of a checkout of this project, and of nothing else."""

import importlib.util
import pathlib
import shutil
import subprocess

import pytest

PLACE = pathlib.Path("npr_jax", "evaluation", "provenance.py")


def git(repository, *arguments):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    command = ["git", "-C", str(repository), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit, of a file that is not this project's."""
    path = tmp_path / "repository"
    path.mkdir()
    git(path, "init", "--quiet")
    (path / "analysis.py").write_text("print('theirs')\n")
    commit_all(path)
    return path


def commit_all(repository):
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=files")


def install(root, folder):
    """Puts the module at its place below a folder, as pip or a clone would."""
    path = folder / PLACE
    path.parent.mkdir(parents=True)
    shutil.copy(root / PLACE, path)
    return path


def recorded(path):
    """The commit in the provenance that the module at this path gives."""
    spec = importlib.util.spec_from_file_location("installed_provenance", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.provenance()["commit"]


def test_a_checkout_records_its_commit(root, repository):
    path = install(root, repository)
    commit_all(repository)
    commit = git(repository, "rev-parse", "HEAD")
    assert recorded(path) == commit[:10]
    (repository / "analysis.py").write_text("print('changed')\n")
    assert recorded(path) == commit[:10] + "+"


def test_installed_inside_another_repository_it_records_none(root, repository):
    assert recorded(install(root, repository / ".venv" / "site-packages")) is None


def test_copied_to_the_top_of_another_repository_it_records_none(root, repository):
    assert recorded(install(root, repository)) is None


def test_tracked_as_a_part_of_another_repository_it_records_none(root, repository):
    path = install(root, repository / "third_party")
    commit_all(repository)
    assert recorded(path) is None


def test_outside_of_any_repository_it_records_none(root, tmp_path):
    assert recorded(install(root, tmp_path)) is None
