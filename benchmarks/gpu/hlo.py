"""Reads the text of an optimised HLO module: computations, instructions, their neighbours."""

from __future__ import annotations

import dataclasses
import math
import re

_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
# After the type, which is one shape or a tuple of them: the operation and what it is given.
_OPERATION = re.compile(r"^(\(.*?\)|\S+) ([\w\-]+)\((.*)$")
_NAME = re.compile(r"%([\w.\-]+)")
_SHAPE = re.compile(r"([a-z]+)(\d+)[a-z0-9]*\[([\d,]*)\]")
_CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.\-]+)")
_TARGET = re.compile(r'custom_call_target="([^"]*)"')


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation."""

    name: str
    opcode: str
    kind: str  # its result: shapes with their layouts
    operands: tuple[str, ...]
    called: str  # the computation of a fusion; else empty
    target: str  # of a custom call; else empty

    @property
    def bytes(self) -> int:
        """Of its result; sub-byte types count as a byte an element."""
        return sum(
            math.prod(map(int, filter(None, shape.split(",")))) * max(1, int(bits) // 8)
            for _, bits, shape in _SHAPE.findall(self.kind)
        )


Module = dict[str, dict[str, Instruction]]


def parse(text: str) -> Module:
    """Computations by name, each with its instructions by name."""
    module: Module = {}
    current: dict[str, Instruction] = {}
    for line in text.splitlines():
        if found := _COMPUTATION.match(line):
            current = module.setdefault(found[1], {})
        elif found := _INSTRUCTION.match(line):
            instruction = _instruction(found[2], found[3])
            if instruction is not None:
                current[instruction.name] = instruction
    return module


def _instruction(name: str, rest: str) -> Instruction | None:
    found = _OPERATION.match(rest)
    if found is None:
        return None
    given = found[3].partition(")")[0]
    called, target = _CALLED.search(rest), _TARGET.search(rest)
    return Instruction(
        name,
        found[2],
        found[1],
        tuple(_NAME.findall(given)),
        called[1] if called and found[2] == "fusion" else "",
        target[1] if target else "",
    )


def convolves(module: Module, instruction: Instruction) -> bool:
    """Whether it is a convolution, a library's call of one, or a fusion with one inside."""
    if instruction.opcode == "convolution" or "conv" in instruction.target.lower():
        return True
    inside = module.get(instruction.called, {}).values()
    return any(convolves(module, other) for other in inside)


def moves_layout(
    module: Module, instructions: dict[str, Instruction], instruction: Instruction
) -> bool:
    """Whether it puts elements in another order: a transpose, a copy to another layout, or a fusion
    whose result is one and that holds no convolution. ``instructions`` are those beside it.
    """
    if instruction.opcode == "transpose":
        return True
    if instruction.opcode == "copy":
        source = instructions.get(instruction.operands[0]) if instruction.operands else None
        return source is None or source.kind != instruction.kind
    inside = module.get(instruction.called, {})
    if not inside or any(convolves(module, other) for other in inside.values()):
        return False
    return moves_layout(module, inside, list(inside.values())[-1])  # the root stands last


def beside(instructions: dict[str, Instruction], instruction: Instruction) -> list[Instruction]:
    """What it reads, and what reads it, through the parts of tuples."""
    found = [instructions[name] for name in instruction.operands if name in instructions]
    waiting = [instruction.name]
    while waiting:
        name = waiting.pop()
        for other in instructions.values():
            if name in other.operands:
                if other.opcode in ("get-tuple-element", "bitcast"):
                    waiting.append(other.name)
                else:
                    found.append(other)
    return found
