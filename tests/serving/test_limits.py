"""What is too large, broken or too much is refused with a sentence, and the server goes on."""

import io
import struct
import sys
import zipfile
import zlib

import numpy as np
import pytest

from input_pipeline.errors import UserError
from npr_jax.cli.score import SERVE
from npr_jax.serving.limits import Limits, Refused, limits_of
from npr_jax.serving.service import warm_up
from npr_jax.serving.uploads import base_name, expand
from tests import runs


def png_header(width, height):
    """A PNG that claims a size and has few pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def archive(*members, **settings):
    """A zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, **settings) as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


def works(client, ask, good):
    answer = ask(client, ("good.png", good))
    assert answer.status_code == 200
    assert 0 <= answer.json()["results"][0]["score"] <= 1


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (b"", 415, "empty file"),
        (b"<html>", 415, "not an image"),
        (png_header(64, 64), 415, "damaged image"),
        (png_header(60_000, 60_000), 413, "more pixels than the 40 million"),
        (png_header(8000, 8000), 413, "8000 x 8000 pixels, that is 64.0 million; at most 40"),
        (b"\xff\xd8\xff\xe0 and no more", 415, "cannot be read as a picture"),
        (b"PK\x03\x04 and no more", 415, "damaged zip"),
    ],
)
def test_unusable_files(client, ask, good, data, status, message):
    answer = ask(client, ("file.png", data))
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert message in answer.json()["error"]
    works(client, ask, good)


def test_small_pictures_cannot_be_scored(client, ask, encoded):
    answer = ask(client, ("s.png", encoded(np.zeros((20, 40, 3), np.uint8))))
    assert answer.status_code == 422
    assert "at least 32x32" in answer.json()["error"]


def test_one_bad_file_of_several_leaves_the_others_alone(client, ask, good, encoded):
    cut = encoded(runs.picture(1, False))[:3000]
    small = encoded(np.zeros((20, 40, 3), np.uint8))
    sent = [("1.png", good), ("2.png", b"?"), ("3.png", cut), ("4.png", small), ("5.png", good)]
    answer = ask(client, *sent)
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [200, 415, 415, 422, 200]
    assert [bool(result["error"]) for result in results] == [False, True, True, True, False]
    assert results[0]["score"] == results[4]["score"]
    detailed = ask(client, *sent, query="?evidence=1").json()["results"]
    assert [result["status"] for result in detailed] == [200, 415, 415, 422, 200]


def test_a_file_with_too_many_bytes(make_client, ask, good):
    client = make_client(max_bytes=len(good) - 1)
    answer = ask(client, ("large.png", good))
    assert answer.status_code == 413
    assert "large.png has 0.0 MB; at most" in answer.json()["error"]


def test_too_many_files(make_client, ask, good):
    client = make_client(max_files=3)
    assert ask(client, *[("a.png", good)] * 3).status_code == 200
    packed = archive(*[(f"{i}.png", good) for i in range(4)])
    for sent in ([("a.png", good)] * 4, [("a.zip", packed)]):
        answer = ask(client, *sent)
        assert answer.status_code == 413
        assert "more than the 3 files" in answer.json()["error"]


def chunks(count, size):
    """A form with one file, in pieces without a length in front."""
    yield b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    for _ in range(count):
        yield bytes(size)
    yield b"\r\n--b--\r\n"


def test_a_body_that_is_too_large_is_refused_while_it_comes(make_client, ask, good):
    client = make_client(max_bytes=1_000_000, max_zip_bytes=2_000_000)
    sent = 0

    def counted():
        nonlocal sent
        for chunk in chunks(100, 1_000_000):
            sent += len(chunk)
            yield chunk

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/api/v1/score", content=counted(), headers=headers)
    assert answer.status_code == 413
    assert "more than 3 MB" in answer.json()["error"]
    declared = headers | {"Content-Length": "100000000"}
    answer = client.post("/api/v1/score", content=b"--b", headers=declared)
    assert answer.status_code == 413
    works(client, ask, good)


def test_a_zip_file_is_its_pictures(client, ask, good, encoded):
    other = encoded(runs.picture(1, False), "JPEG")
    packed = archive(
        ("deep/er/one.png", good),
        ("deep/", b""),
        (".hidden.png", good),
        ("__MACOSX/deep/._one.png", b"junk"),
        ("../../../etc/two.jpg", other),
        ("/absolute/three.png", good),
        ("C:\\folder\\four.png", good),
        ("deep/@eaDir/one.png", good),
        ("readme.txt", b"words"),
        ("text.png", b"words"),
    )
    answer = ask(client, ("all.zip", packed)).json()
    results = answer["results"]
    names = ["deep/er/one.png", "etc/two.jpg", "absolute/three.png", "folder/four.png", "text.png"]
    assert [result["name"] for result in results] == names
    assert [result["status"] for result in results] == [200, 200, 200, 200, 415]
    assert {one["name"]: one["kind"] for one in answer["left_out"]} == {
        ".hidden.png": "hidden file",
        "__MACOSX/deep/._one.png": "system folder",
        "deep/@eaDir/one.png": "system folder",
        "readme.txt": "companion file",
    }
    [alone] = ask(client, ("two.jpg", other)).json()["results"]
    assert results[1]["score"] == pytest.approx(alone["score"], abs=1e-6)


def named(name, flag=0, extra=b""):
    """A zip file with one member, its name as the bytes that a program wrote."""
    data = bytearray(archive(("x" * len(name), b"picture")))
    directory = data.index(b"PK\x01\x02")
    data[30 : 30 + len(name)] = data[directory + 46 : directory + 46 + len(name)] = name
    for flags in (6, directory + 8):
        data[flags : flags + 2] = struct.pack("<H", flag)
    if extra:
        data[directory + 30 : directory + 32] = struct.pack("<H", len(extra))
        end = directory + 46 + len(name)
        data[end:end] = extra
        size = data.index(b"PK\x05\x06") + 12
        data[size : size + 4] = struct.pack("<I", 46 + len(name) + len(extra))
    return bytes(data)


def unicode_field(name, text):
    content = struct.pack("<BL", 1, zlib.crc32(name)) + text.encode()
    return struct.pack("<HH", 0x7075, len(content)) + content


SHIFT_JIS = "表.png".encode("shift_jis")  # its second byte is a backslash


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (named("ü/表.png".encode(), flag=0x800), "ü/表.png"),
        (named("ü/表.png".encode()), "ü/表.png"),  # as macOS writes it
        (named(SHIFT_JIS, extra=unicode_field(SHIFT_JIS, "表.png")), "表.png"),
        (named(SHIFT_JIS, extra=unicode_field(b"another.png", "表.png")), "ò\\.png"),
        (named(SHIFT_JIS), "ò\\.png"),
        (named(b"ordner\\b\x84r.png"), "ordner/bär.png"),  # code page 437
    ],
)
def test_names_that_do_not_say_that_they_are_utf_8(data, shown):
    assert list(expand([("a.zip", data)], Limits())) == [(shown, b"picture")]


def test_a_field_that_is_no_utf_8_is_ignored_or_refused_in_words():
    """Python's own reader refuses it since 3.12."""
    data = named(SHIFT_JIS, extra=unicode_field(SHIFT_JIS, "表.png")[:-5] + b"\xff.png")
    if sys.version_info < (3, 12):
        assert list(expand([("a.zip", data)], Limits())) == [("ò\\.png", b"picture")]
    else:
        with pytest.raises(Refused, match=r"a.zip is a damaged zip file \(.*invalid utf-8"):
            list(expand([("a.zip", data)], Limits()))


def test_no_member_vanishes_and_no_two_have_one_name():
    files = [
        ("sd/1.png", b"1"),
        ("flux/1.png", b"2"),
        ("./flux/1.png", b"3"),
        ("a\x00.png", b"4"),
        ("a\x01.png", b"5"),
        ("long/" + "n" * 300 + "1.png", b"6"),
        ("long/" + "n" * 301 + "1.png", b"7"),
        ("...", b"8"),
    ]
    packed = [("a.zip", archive(*files)), ("b.zip", archive(("sd/1.png", b"9")))]
    found = dict(expand(packed, Limits()))
    assert sorted(found.values()) == [b"%d" % number for number in range(1, 10)]
    names = list(found)
    assert names[:3] == ["sd/1.png", "flux/1.png", "flux/1.png (2)"]
    assert names[-2:] == ["unnamed", "sd/1.png (2)"]


def test_zip_bombs(make_client, ask, good):
    client = make_client(max_bytes=1_000_000, max_zip_bytes=3_000_000)
    bomb = archive(*[(f"{i}.png", bytes(900_000)) for i in range(9)])
    assert len(bomb) < 20_000
    answer = ask(client, ("bomb.zip", bomb))
    assert answer.status_code == 413
    assert "more than the 3 MB" in answer.json()["error"]
    # One member that is too large by itself is told, the others are scored.
    answer = ask(client, ("half.zip", archive(("big.png", bytes(2_000_000)), ("ok.png", good))))
    big, fine = answer.json()["results"]
    assert (big["status"], fine["status"]) == (413, 200)
    assert "big.png has more than the 1 MB" in big["error"]
    works(client, ask, good)


def lying(data):
    """The archive with sizes of zero in the directory, as bombs have them."""
    place = data.index(b"PK\x01\x02")
    return data[: place + 24] + struct.pack("<I", 10) + data[place + 28 :]


def test_headers_that_lie_do_not_help():
    limits = Limits(max_bytes=100_000, max_zip_bytes=200_000)
    [(name, outcome)] = expand([("a.zip", lying(archive(("a.png", bytes(1_000_000)))))], limits)
    assert name == "a.png"
    assert isinstance(outcome, Refused) or len(outcome) <= 100_000


def encrypted(data):
    """The archive with the flag of encryption set."""
    place = data.index(b"PK\x01\x02") + 8
    return data[:place] + struct.pack("<H", 1) + data[place + 2 :]


def test_members_that_cannot_be_had(client, ask, good):
    inner = archive(("a.png", good))
    results = ask(client, ("a.zip", archive(("in.zip", inner), ("b.png", good)))).json()["results"]
    assert [result["status"] for result in results] == [422, 200]
    assert "zip file inside a zip file" in results[0]["error"]
    answer = ask(client, ("a.zip", encrypted(archive(("secret.png", good)))))
    assert answer.status_code == 422
    assert "secret.png is encrypted" in answer.json()["error"]
    broken = bytearray(archive(("x.png", good)))
    broken[60:80] = bytes(20)
    answer = ask(client, ("a.zip", bytes(broken)))
    assert answer.status_code == 415
    assert "damaged" in answer.json()["error"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("b.png", good)
    assert "compressed in a way" in ask(client, ("a.zip", buffer.getvalue())).json()["error"]
    assert ask(client, ("empty.zip", archive())).json()["results"] == []


def test_names_are_shown_without_folders(client, ask, good):
    for given, shown in (
        ("../../etc/passwd.png", "passwd.png"),
        ("C:\\users\\me\\a.png", "a.png"),
        ("..", "unnamed"),
        ("n" * 500 + ".png", None),
    ):
        [result] = ask(client, (given, good)).json()["results"]
        assert result["name"] == shown or (shown is None and len(result["name"]) <= 120)
    assert base_name("a\x07b\u202egnp.exe") == "a�b�gnp.exe", "nothing that writes backwards"


def test_time_that_is_up(make_client, ask, good):
    client = make_client(seconds=1e-6)
    answer = ask(client, ("slow.png", good))
    assert answer.status_code == 504
    assert "slow.png took longer than" in answer.json()["error"]


def test_a_query_that_is_no_switch_is_told_what_it_may_be(client, ask, good):
    answer = ask(client, ("a.png", good), query="?delivery=maybe&evidence=2")
    assert answer.status_code == 422
    assert answer.json()["error"] == (
        "The request's query has delivery='maybe' and evidence='2'; expected true or false."
    )


def test_too_many_pictures_to_look_at_closely(client, ask, good):
    for sent in (
        [("a.png", good)] * 11,
        [("a.zip", archive(*[(f"{i}.png", good) for i in range(11)]))],
    ):
        answer = ask(client, *sent, query="?delivery=1")
        assert answer.status_code == 413
        assert "at most 10 files" in answer.json()["error"]


@pytest.mark.parametrize("limits", [{"seconds": 1e-6}, {"max_pixels": 1000}, {"max_bytes": 1000}])
def test_tight_limits_do_not_keep_the_server_from_starting(make_client, limits):
    client = make_client(**limits)
    warm_up(client.service)
    health = client.get("/health").json()
    assert (health["status"], health["inside"]) == ("ok", 0)


@pytest.mark.parametrize("name", ["max_bytes", "seconds", "waiting"])
def test_limits_of_nothing_are_wrong_usage(name):
    with pytest.raises(ValueError, match="expected more than 0"):
        Limits(**{name: 0})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("max_megapixels=-1", "more than 0"),
        ("max_megabytes=1e-07", "at least 1e-06"),
        ("max_seconds=-0.5", "more than 0"),
        ("max_files=-3", "more than 0"),
    ],
)
def test_wrong_limits_are_named_as_they_were_given(given, expected):
    flags, _ = SERVE.parse([f"--{given}"], ())
    with pytest.raises(UserError, match=f"^--{given}; expected {expected}$"):
        limits_of(flags)


@pytest.mark.parametrize(
    "given", ["max_megapixels=inf", "max_megabytes=1e308", "max_megapixels=nan"]
)
def test_limits_without_an_end_are_wrong_usage(given):
    flags, _ = SERVE.parse([f"--{given}"], ())
    with pytest.raises(UserError, match=f"--{given.split('=')[0]}=.*a finite number"):
        limits_of(flags)
