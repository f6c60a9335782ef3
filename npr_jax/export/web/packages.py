"""The packages that the page is made with: pinned, fetched once, checked against their hashes."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from input_pipeline.errors import UserError

# What `npm pack` may take for all: the largest file has 33 MB.
NPM_SECONDS = 600


@dataclasses.dataclass(frozen=True)
class Package:
    """A package of npm, as one file.

    Attributes:
        name, version: at npm, exactly.
        sha512: of the file, base64 as npm states it.
        code: files that the page loads, by path in the package: their names beside the page. Not
            .mjs, which some servers hand out as text.
        licences: paths in the package of licence texts that must go along.
        notice: what its licence asks to be said.
    """

    name: str
    version: str
    sha512: str
    code: dict[str, str]
    licences: tuple[str, ...]
    notice: str

    @property
    def file_name(self) -> str:
        """As `npm pack` names the file."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


PACKAGES = (
    Package(
        "onnxruntime-web",
        "1.30.0",
        "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
        {
            "dist/ort.wasm.min.mjs": "ort.wasm.min.js",
            "dist/ort-wasm-simd-threaded.mjs": "ort-wasm-simd-threaded.js",
            "dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
        },
        (),
        "ONNX Runtime Web. Copyright (c) Microsoft Corporation. All rights reserved. "
        "Licensed under the MIT License.",
    ),
    Package(
        "@jsquash/jpeg",
        "1.6.0",
        "zwN46Awh1VM6gXlIcALwb5WzqK5H2e6+Awcs1QP8AvS8ohsK/sbE4esvmH4jhlhW7+CgiUUww66vg0aTnlSIMA==",
        {
            "codec/dec/mozjpeg_dec.js": "mozjpeg_dec.js",
            "codec/dec/mozjpeg_dec.wasm": "mozjpeg_dec.wasm",
        },
        ("LICENSE", "codec/LICENSE.codec.md"),
        "jSquash's build of MozJPEG (Apache License 2.0). This software is based in part on the "
        "work of the Independent JPEG Group.",
    ),
    Package(
        "@jsquash/webp",
        "1.5.0",
        "KggLoj2MnRSfIqTeKe1EmbljTX2vuV7mh79k89PCL1pyqiDULcPM1L47twxXt0hkb68F70bXiL31MxsuoZtKFw==",
        {"codec/dec/webp_dec.js": "webp_dec.js", "codec/dec/webp_dec.wasm": "webp_dec.wasm"},
        ("LICENSE", "codec/LICENSE.codec.md"),
        "jSquash's build of libwebp (Apache License 2.0). Copyright (c) 2010, Google Inc.",
    ),
)


def read_package(package: Package, folder: str) -> dict[str, bytes]:
    """The files of a package that the page needs, by path in the package.

    `folder` is where its file lies, as `npm pack` writes it; empty: it is fetched by npm, once,
    into the user's cache.

    Raises:
        ValueError: it is not there, cannot be fetched, or is not the file that is expected.
    """
    path = pathlib.Path(folder) / package.file_name if folder else _fetched(package)
    if not path.is_file():
        raise UserError(f"--web_packages={folder} has no {package.file_name}; {_by_hand()}")
    content = path.read_bytes()
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.sha512:
        raise UserError(
            f"{path} is not {package.name} {package.version} as published (sha512 {found}); delete "
            "it and try again"
        )
    wanted = (*package.code, *package.licences)
    with tarfile.open(path) as archive:
        members = {name: archive.extractfile(f"package/{name}") for name in wanted}
        return {name: member.read() for name, member in members.items() if member is not None}


def cache_folder() -> pathlib.Path:
    """Where fetched packages are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(root) / "npr_jax" / "web"


def _fetched(package: Package) -> pathlib.Path:
    cache = cache_folder()
    path = cache / package.file_name
    if path.is_file():
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(f"npm is not installed, which fetches {package.name}; {_by_hand()}")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as beside:
        command = [npm, "pack", "--ignore-scripts", "--silent", f"--pack-destination={beside}"]
        command.append(f"{package.name}@{package.version}")
        try:
            done = subprocess.run(
                command, cwd=beside, capture_output=True, text=True, timeout=NPM_SECONDS
            )
            reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        except subprocess.TimeoutExpired:
            reason = f"nothing came within {NPM_SECONDS} s"
        written = pathlib.Path(beside) / package.file_name
        if not written.is_file():
            raise UserError(
                f"npm could not fetch {package.name} {package.version} ({reason}); {_by_hand()}"
            )
        os.replace(written, path)
    return path


def _by_hand() -> str:
    names = " ".join(f"{package.name}@{package.version}" for package in PACKAGES)
    return (
        f"where there is a network, run `npm pack {names}`, and give the folder of the files as "
        "--web_packages=FOLDER"
    )
