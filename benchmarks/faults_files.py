"""The files besides pictures that commands read, whole, and what reads each of them."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import random
import shutil
import tarfile
import zipfile
from typing import Any

import numpy as np

from benchmarks.mutations import Kind, Read, mutate, mutate_json


def kinds(scratch: pathlib.Path) -> dict[str, Kind]:
    """All of them, by name; what they need is written below `scratch`."""
    data, run = scratch / "data", scratch / "run"
    _write_dataset(data)
    _write_run(run)
    shard = next(data.glob("*-train.tfrecord-*-of-?????"))
    found = {
        "TFRecord": Kind([shard.read_bytes()], _shard(""), _damage_shard),
        "TFRecord's index": Kind(
            [pathlib.Path(f"{shard}.index").read_bytes()], _shard(".index", shard)
        ),
        "TFRecord's table": Kind([_table_of(shard)], _shard(".table.npz", shard)),
        "dataset.json": Kind(
            [(data / "dataset.json").read_bytes()], _dataset(data, "dataset.json"), mutate_json
        ),
        "files.csv": Kind([(data / "files.csv").read_bytes()], _dataset(data, "files.csv")),
        "zip": Kind(_zips(), _read_zip),
        "predict's .partial (CSV)": Kind([_partial("csv")], _resume("csv")),
        "predict's .partial (JSON Lines)": Kind([_partial("jsonl")], _resume("jsonl")),
        "predict's .partial.json": Kind([b'{"a": 1, "b": [2]}'], _resume("json"), mutate_json),
        "trust list": Kind([_trust_list()], _read_trust_list),
    }
    for name in ("results.json", "scores.csv", "samples.npz"):
        path = run / "evaluation/test" / name
        found[name] = _of_run(run, path)
    found["metrics.jsonl"] = _of_run(run, run / "metrics.jsonl")
    found["runs.csv"] = Kind([_sweep_table()], _read_sweep)
    with contextlib.suppress(ImportError):
        found |= _manifests()
    return found


def _write_dataset(path: pathlib.Path) -> None:
    from input_pipeline.storage.dataset_writer import write_dataset
    from input_pipeline.storage.records import ImageRecord

    rng = np.random.default_rng(0)

    def records(count: int) -> Any:
        for number in range(count):
            pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
            place = f"{number:03d}.png"
            yield ImageRecord(pixels.tobytes(), "decoded", 8, 8, number % 2, "alpha", place)

    write_dataset(path, "small", {"train": records(6), "test": records(2)}, {"made_by": "noise"})


def _table_of(shard: pathlib.Path) -> bytes:
    from input_pipeline.storage.record_table import TABLE_SUFFIX, write_table

    write_table(shard)
    path = pathlib.Path(f"{shard}{TABLE_SUFFIX}")
    content = path.read_bytes()
    path.unlink()
    return content


def _damage_shard(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Damages a shard, or a record in it whose checksums are then right again."""
    if rng.random() < 0.4:
        return mutate(rng, data, other)
    import struct

    from input_pipeline.storage.tfrecord import masked_crc32c

    parts, at = [], 0
    while at < len(data):
        size = struct.unpack_from("<Q", data, at)[0]
        record = data[at + 12 : at + 12 + size]
        record = mutate(rng, record, record) if rng.random() < 0.4 else record
        head = struct.pack("<Q", len(record))
        parts += [head, struct.pack("<I", masked_crc32c(head)), record]
        parts += [struct.pack("<I", masked_crc32c(record))]
        at += 16 + size
    return b"".join(parts)


def _shard(suffix: str, shard: pathlib.Path | None = None) -> Read:
    from input_pipeline.storage.record_table import TABLE_SUFFIX

    suffix = TABLE_SUFFIX if suffix == ".table.npz" else suffix

    def read(data: bytes, folder: pathlib.Path) -> None:
        from input_pipeline.storage.record_table import read_table
        from input_pipeline.storage.records import decode_record, image_array, image_facts
        from input_pipeline.storage.tfrecord import TFRecordSource

        path = folder / "shard"
        if shard is not None:
            path.write_bytes(shard.read_bytes())
        (folder / f"shard{suffix}").write_bytes(data)
        source = TFRecordSource([path])
        for number in range(len(source)):
            record = decode_record(source[number])
            image_facts(record, image_array(record))
        read_table(source)

    return read


def _dataset(whole: pathlib.Path, name: str) -> Read:
    def read(data: bytes, folder: pathlib.Path) -> None:
        from input_pipeline.storage.prepared_dataset import PreparedDataset, missing_labels

        for path in whole.iterdir():
            shutil.copyfile(path, folder / path.name)
        (folder / name).write_bytes(data)
        opened = PreparedDataset.load(folder)
        for split in opened.splits:
            missing_labels(opened.split(split).generators)
            len(opened.source(split))
        for _ in opened.files():
            pass

    return read


def _zips() -> list[bytes]:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name in ("a.png", "folder/b.jpg", "é.png", ".hidden", "folder/c.zip"):
                archive.writestr(name, b"PK\x03\x04" if name.endswith("zip") else b"pixels" * 20)
        found.append(buffer.getvalue())
    return found


def _read_zip(data: bytes, _: pathlib.Path) -> None:
    from input_pipeline.errors import UserError
    from npr_jax.serving.limits import Limits
    from npr_jax.serving.uploads import expand

    found = list(expand([("a.zip", data)], Limits()))
    if refused := [content for _, content in found if isinstance(content, UserError)]:
        raise refused[0]


_COLUMNS = ("path", "score", "verdict", "error")


def _names(folder: pathlib.Path) -> list[str]:
    return [str(folder / f"{number}.png") for number in range(6)]


def _partial(ending: str) -> bytes:
    """Rows of files that lie in `FOLDER`, which the reader knows the name of."""
    from npr_jax.cli.score_table import row_format

    text = io.StringIO(newline="")
    form = row_format(ending, "", _COLUMNS, excel=False)
    form.write_head(text)
    for name in _names(pathlib.Path("FOLDER"))[:4]:
        row = {"path": name, "score": 0.5, "verdict": "unsure", "error": ""}
        form.write(text, row if "2" not in name else row | {"score": None, "error": 'a "b",\nc'})
    return text.getvalue().encode()


def _resume(ending: str) -> Read:
    def read(data: bytes, folder: pathlib.Path) -> None:
        from input_pipeline.images.image_listing import ImageListing
        from npr_jax.cli.score_table import row_format, score_table

        pictures = folder / "pictures"
        pictures.mkdir()
        for name in _names(pictures):
            pathlib.Path(name).touch()
        of_note = ending == "json"
        rows = _partial("csv") if of_note else data
        rows = rows.replace(b"FOLDER", str(pictures).encode())
        (folder / "scores.partial").write_bytes(rows)
        note = data if of_note else b'{"a": 1, "b": [2]}'
        (folder / "scores.partial.json").write_bytes(note)
        form = row_format("csv" if of_note else ending, "", _COLUMNS, excel=False)
        output = str(folder / "scores")
        with (
            ImageListing([str(pictures)]) as listing,
            score_table(output, form, listing, lambda: {"a": 1, "b": [2]}, resume=True) as table,
        ):
            table.summary()
            for file in listing.files(table.done):
                table.write({"path": file.path, "score": 0.5, "verdict": "unsure", "error": ""})
        if table.done != len(_names(pictures)):
            raise RuntimeError("rows are missing or doubled")

    return read


def _trust_list() -> bytes:
    from input_pipeline.provenance.trust_lists import official_trust_list

    return official_trust_list().signers[:4000].encode()


def _read_trust_list(data: bytes, folder: pathlib.Path) -> None:
    from input_pipeline.provenance.trust_lists import read_trust_list

    (folder / "list.pem").write_bytes(data)
    read_trust_list(folder / "list.pem")


def _write_run(run: pathlib.Path) -> None:
    from npr_jax.evaluation.results import Scores, write_evaluation

    rng = np.random.default_rng(0)
    generators = np.repeat(["photographs", "alpha", "beta"], 4)
    scores = Scores(
        labels=(generators != "photographs").astype(int),
        logits=rng.normal(0, 1, len(generators)),
        generators=generators,
        filenames=np.array([f"{number}.png" for number in range(len(generators))]),
        weights=rng.dirichlet([3, 2], len(generators)).astype(np.float32),
        scales=("0.25", "0.5"),
    )
    samples = {
        "images": rng.integers(0, 256, (2, 8, 8, 3), np.uint8),
        "labels": [0, 1],
        "generators": ["photographs", "alpha"],
        "filenames": ["a.png", "b.png"],
        "logits": [-1.0, 2.0],
    }
    meta = {"model": "npr", "steps": 7, "train_family": "alpha", "delivery": "clean"}
    write_evaluation(run / "evaluation/test", scores, meta, samples)
    points = (
        {"step": step, "epoch": step / 2, "split": split, "loss": 1 / step, "ap": None}
        for step in (1, 2, 3)
        for split in ("train", "validation")
    )
    (run / "metrics.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))


def _of_run(run: pathlib.Path, path: pathlib.Path) -> Kind:
    place = path.relative_to(run)

    def read(data: bytes, folder: pathlib.Path) -> None:
        from npr_jax.analysis.run_results import read_results, read_run

        shutil.copytree(run, folder / "run")
        (folder / "run" / place).write_bytes(data)
        read_results(folder / "run")
        read_run(folder / "run")

    return Kind([path.read_bytes()], read, mutate_json if path.suffix == ".json" else mutate)


def _sweep_table() -> bytes:
    from input_pipeline.storage.csv_files import csv_text
    from npr_jax.analysis.sweep_results import _NEEDED
    from npr_jax.sweep.table import COLUMNS

    columns = dict.fromkeys([*_NEEDED, *(measure for _, _, measure in COLUMNS)])
    row = dict.fromkeys(columns, 0.5) | {"sweep": "scales", "kind": "unseen", "data": "noise"}
    row |= {"model_settings": '{"name": "npr"}', "generator": "alpha"}
    rows = [row | {"variant": v, "seed": seed} for v in ("0.25", "0.5") for seed in (0, 1)]
    return csv_text([*columns], rows).encode()


def _read_sweep(data: bytes, folder: pathlib.Path) -> None:
    from npr_jax.analysis.sweep_results import read_sweep

    (folder / "runs.csv").write_bytes(data)
    read_sweep(folder)


def _manifests() -> dict[str, Kind]:
    import pyarrow as pa
    from pyarrow import parquet

    names = ["a.png", "b.png", "c.png"]
    parquets = []
    for table in ({"path": names}, {"id": names, "bytes": [b"1", b"2", None]}):
        buffer = io.BytesIO()
        parquet.write_table(pa.table(table), buffer)
        parquets.append(buffer.getvalue())
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 10
            tar.addfile(member, io.BytesIO(b"0123456789"))

    def reader(ending: str) -> Read:
        def read(data: bytes, folder: pathlib.Path) -> None:
            from npr_jax.cluster.sources import tables_of

            (folder / f"list{ending}").write_bytes(data)
            for _ in tables_of([str(folder / f"list{ending}")]):
                pass

        return read

    return {
        "manifest (Parquet)": Kind(parquets, reader(".parquet")),
        "manifest (list)": Kind(["\n".join(names).encode()], reader(".txt")),
        "tar": Kind([buffer.getvalue()], reader(".tar")),
    }
