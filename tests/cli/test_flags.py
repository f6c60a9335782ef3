"""Which flags each command has, what --help says of them, and how all others are refused."""

import pathlib
import re
import sys

import pytest

from npr_jax.cli.command import flag_name
from npr_jax.cli.main import COMMANDS, run
from tests import runs

# What a user may set at each command, written down by hand.
DETECTOR = {"workdir", "weights", "checkpoint", "resize"}
EXPECTED = {
    "train": {"config", "workdir", "preempted_status"}
    | {"coordinator", "process_id", "num_processes"},
    "evaluate": DETECTOR | {"data", "split", "output", "delivery", "samples"},
    "predict": DETECTOR
    | {"output", "confidence", "maps", "evidence", "heat_map", "examples", "provenance"}
    | {"excel", "max_megapixels", "format", "resume", "trust_list"}
    | {"engine", "address", "workers", "block_rows", "precision"},
    "pairs": {"photographs", "source", "split", "output", "decoders", "per_photograph", "largest"}
    | {"seed", "name"},
    "prepare": {"source", "photographs", "generated", "dataset", "split", "output", "name"}
    | {"storage", "image_size", "max_bad_fraction", "max_megapixels", "list", "check", "against"},
    "robustness": DETECTOR | {"data", "split", "output", "transformations"},
    "calibrate": {"workdir", "weights", "checkpoint", "data", "split", "keep_limits"}
    | {"target_error", "source_error", "output"},
    "sweep": {"config", "workdir", "preempted_status", "shard", "side_by_side"},
    "noise_predictor": {"config", "workdir", "preempted_status"},
    "reconstruct": {"data", "noise_predictor", "output", "name", "ddim_steps", "image_size"},
    "report": {"workdir", "baseline", "output", "intervals", "attention", "sweep", "families"},
    "localize": {"workdir", "weights", "checkpoint", "composites", "image_size"}
    | {"heat_map", "output"},
    "export": DETECTOR | {"format", "output", "web_packages", "card", "eight_bits"},
    "serve": DETECTOR
    | {"host", "port", "max_megabytes", "max_megapixels", "max_files", "max_zip_megabytes"}
    | {"max_seconds", "max_waiting", "allow_host", "trust_list", "engine"},
    "list": set(),
}
ALL_FLAGS = sorted(set().union(*EXPECTED.values()))
# absl's and other libraries', which are not ours to offer.
OF_LIBRARIES = ("flagfile", "undefok", "verbosity", "pdb", "grain_py_debug_mode")


def test_every_command_has_its_flags_and_no_others():
    assert {name: set(command.flags()) for name, command in COMMANDS.items()} == EXPECTED


@pytest.mark.parametrize("command", COMMANDS)
def test_every_foreign_flag_is_refused_before_anything_else(command, capsys):
    for flag in [*ALL_FLAGS, *OF_LIBRARIES, "config.data.delivery"]:
        own = flag.split(".")[0]
        if own in EXPECTED[command]:
            continue
        # One test for each pair would take pytest a minute.
        assert run([command, f"--{flag}=1", "--workdir=/nonexistent", "x.png"]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {command} has no flag --{flag}")
        if not line.startswith(f"error: {command} has no flag --{flag}: "):  # advice of its own
            assert all(name in line for name, flags in EXPECTED.items() if own in flags), line


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (("predict", "--wordkir=a"), "--workdir"),
        (("predict", "--evidnce=a"), "--evidence"),
        (("prepare", "--photograph=a"), "--photographs"),
        (("serve", "--maxfiles=3"), "--max_files"),
        (("--workdri=a",), "--workdir"),
        (("evaluate", "--config.data.delivery=hard"), "--delivery"),
        (("predct", "--workdir=a"), "predict"),
        (("callibrate",), "calibrate"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_right_one(arguments, right, capsys):
    assert run(arguments) == 2
    assert f"did you mean {right}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "flag"),
    [("sweep", "--shard=i/n"), ("serve", "--trust_list=FILE.pem"), ("pairs", "--split=NAME")],
)
def test_help_has_a_flag_as_the_usage_has_it(command, flag, capsys):
    assert run([command, "--help"]) == 0
    assert f"\n  {flag}\n" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_lists_the_flags_of_a_command_with_examples(command, capsys):
    assert run([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"\n  python main.py {command}" in text, "an example"
    for flag in EXPECTED[command]:
        assert f"\n  --{flag}" in text, flag
    for flag in set(ALL_FLAGS) - EXPECTED[command]:
        assert f"\n  --{flag}=" not in text, flag
    assert max(map(len, text.splitlines())) <= 100
    for asked in ([command, "-h"], ["help", command], [command, "--workdir=x", "--help"]):
        assert run(asked) == 0
        assert capsys.readouterr().out == text


# ml_collections loads config files the way Python used to.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
def test_examples_of_the_help_can_be_parsed():
    for command in COMMANDS.values():
        for example in command.examples:
            name, *arguments = example.split()
            assert name == command.name
            command.parse(arguments, COMMANDS.values())


def test_without_arguments_it_says_what_there_is(capsys):
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert run([]) == 2, "nothing was done"
    assert capsys.readouterr().err == text
    for name, command in COMMANDS.items():
        assert any(line.split() == [name, *command.summary.split()] for line in text.splitlines())
    assert max(map(len, text.splitlines())) <= 100


def test_help_does_not_wait_for_jax():
    program = (
        "import sys; from npr_jax.cli.main import run; run(['predict', '--help']); "
        "print([m for m in ('jax', 'flax', 'numpy', 'PIL', 'ml_collections') if m in sys.modules])"
    )
    assert runs.python("-c", program).stdout.splitlines()[-1] == "[]"
    assert "numpy" in sys.modules, "this process has it: the other one could have had it too"


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--workdir=x predict", "the command comes first"),
        ("--config.seed=1", "add --config=configs/NAME.py"),
        ("train --config=configs/npr.py --workdir=x --process_id=1", "--coordinator=HOST:PORT"),
        ("prepare --list --source=x", "--list has no use for --source"),
        ("prepare --source=x --check --storage=decoded", "--check has no use for --storage"),
        ("prepare --source=x --output=y --against=z", "no use for --against"),
        ("export --workdir=x --format=onnx --output=y --web_packages=z", "is of --format=web"),
        ("predict --weights=x --checkpoint=last y", "--checkpoint=last is of a run"),
    ],
)
def test_flags_that_would_have_no_effect_are_refused(arguments, said, tmp_path, capsys):
    assert run(arguments.split()) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["workdir", "weights"])
def test_an_unset_variable_does_not_mean_the_bundled_detector(flag, capsys):
    with_it = [name for name, flags in EXPECTED.items() if flag in flags]
    assert {"predict", "export", "serve", "evaluate", "localize"} < {*with_it}
    for command in with_it:
        for given in ([f"--{flag}="], [f"--{flag}", ""]):
            assert run([command, *given]) == 2
            [line] = capsys.readouterr().err.splitlines()
            assert line.startswith(f"error: --{flag} is empty, ")
            assert line.endswith("; give it a value, or leave it out")


def commands_in(text: str) -> list[list[str]]:
    """The words after ``python main.py`` or ``npr-jax``, lines that go on joined."""
    text = re.sub(r"\\+\n\s*", " ", text)
    found = re.findall(r"(?:python main\.py|npr-jax) ([^`#\n|;&]*)", text)
    return [re.sub(r"[][()]", " ", words).split() for words in found]


@pytest.mark.parametrize(
    "folder", ["README.md", "CONTRIBUTING.md", "docs", "configs", "Makefile", "npr_jax"]
)
def test_commands_of_the_documentation_have_their_flags(folder):
    top = runs.ROOT / folder
    files = [path for path in [top, *top.rglob("*")] if path.suffix in (".md", ".py", "")]
    checked = 0
    for path in filter(pathlib.Path.is_file, files):
        for words in commands_in(path.read_text(encoding="utf-8")):
            first, *rest = words or [""]
            name, rest = ("train", words) if first.startswith("--") else (first, rest)
            if name not in COMMANDS:
                continue
            flags = [flag_name(word).split(".")[0] for word in rest if word.startswith("--")]
            wrong = set(flags) - set(COMMANDS[name].flag_names) - {"help", ""}
            assert not wrong, f"{path}: {name} has no {', '.join(wrong)}"
            checked += 1
    assert checked or folder == "CONTRIBUTING.md"
