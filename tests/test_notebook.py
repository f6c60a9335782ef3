"""The notebook runs from top to bottom on small tables, and carries no outputs."""

import json

import pytest

from tests import runs
from tests.research import sweeps

NOTEBOOK = runs.ROOT / "analyze_results.ipynb"


def test_no_outputs_are_committed():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    nbclient = pytest.importorskip("nbclient", reason="the extra test is not installed")
    import nbformat

    results = tmp_path_factory.mktemp("results")
    aucs = {"0.25": 0.7, "0.5": 0.8, "0.75": 0.78}
    sweeps.write(sweeps.table(aucs), results / "scales.csv")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPR_RESULTS", str(results))
        patch.setenv("NPR_SWEEP", "scales")
        client = nbclient.NotebookClient(
            notebook, timeout=500, resources={"metadata": {"path": str(runs.ROOT)}}
        )
        return client.execute()


def said(notebook, kind):
    return [
        output["text"] if output.output_type == "stream" else output["data"][kind]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "stream" or kind in output.get("data", {})
    ]


def test_it_tells_the_sweep_it_was_given(executed):
    text = "\n".join(said(executed, "text/markdown"))
    assert "scales: 3 variants, 15 runs; data simulation" in text
    assert "| 0.25 | 5 | −10.0 |" in text
    assert "0.25 is behind by 10.0 points" in text


def test_its_figures_are_vectors(executed):
    figures = said(executed, "image/svg+xml")
    assert sum(text.lstrip().startswith("<svg") for text in figures) >= 3
