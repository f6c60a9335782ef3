"""The bundled list of signers, and files in its place."""

import hashlib
import re
import tomllib
from importlib import resources

import pytest

from input_pipeline.errors import UserError
from input_pipeline.provenance.trust_lists import official_trust_list, read_trust_list


def test_the_official_lists_are_whole_and_have_their_date(tmp_path):
    listed = official_trust_list()
    assert re.fullmatch(r"C2PA’s trust list of 20\d\d-\d\d-\d\d", listed.name)
    folder = resources.files("input_pipeline.provenance") / "trust_list"
    source = tomllib.loads((folder / "source.toml").read_text("utf-8"))
    for name, entry in source["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"]
    (tmp_path / "own.pem").write_text(listed.signers, encoding="utf-8")
    own = read_trust_list(tmp_path / "own.pem")
    assert own.signers == listed.signers, "it passes as a file, so its certificates can be read"
    assert own.time_stamps == listed.time_stamps
    assert "own.pem" in own.name


def test_what_is_no_list_is_refused(tmp_path):
    path = tmp_path / "own.pem"
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_trust_list(path)
    block = official_trust_list().signers.partition("-----END")[0]
    for content in (b"", b"no list", b"\xff\xfe", block.encode(), block.encode() + b"-----END X"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"own\.pem"):
            read_trust_list(path)
    damaged = official_trust_list().signers.replace("MIIC3DCCAmO", "MIIC3DCCAmP")
    path.write_text(damaged, encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        read_trust_list(path)
