"""Which small faults can be put into a file: mutmut's, as far as they change what a program does.

mutmut's own run passes over every decorated function, and half of what is tested here is decorated.  So only its
operators are used (`mutmut.mutation.mutators`); one node at a time of any function's body is replaced.

Left out: what only changes words for people (a text with a space in it, a log line), and what guards against mistakes
of our own or is about speed alone (`strict`, sizes of batches).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_string

#: Arguments that change no result: a guard, or a size that something is done in.
WITHOUT_EFFECT = {"strict", "batch_size", "chunk_size"}
NEVER_MUTATED = (cst.Annotation, cst.Decorator, cst.Parameters, cst.Import, cst.ImportFrom)


@dataclass(frozen=True)
class Mutant:
    """One changed node of a file.

    line: where the node begins.  statement: where the statement begins that it is in.  before, after: the node in one
    line.  source: the whole changed file.
    """

    path: str
    line: int
    statement: int
    before: str
    after: str
    source: Callable[[], str]


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """All mutants of a file below `root`, in order."""
    wrapper = MetadataWrapper(cst.parse_module(path.read_text()))
    finder = _Finder(str(path.relative_to(root)), wrapper.module)
    wrapper.visit(finder)
    return finder.mutants


def sample(paths: list[Path], root: Path, n: int, seed: str) -> list[Mutant]:
    """Mutants of `n` different lines drawn at random, one a line, in order; all lines where there are not so many."""
    lines: dict[tuple[str, int], list[Mutant]] = {}
    for path in sorted(paths):
        for mutant in mutants_of(path, root):
            lines.setdefault((mutant.path, mutant.line), []).append(mutant)
    random = Random(seed)
    drawn = random.sample(sorted(lines), min(n, len(lines)))
    return [random.choice(lines[place]) for place in sorted(drawn)]


class _Finder(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, path: str, module: cst.Module):
        super().__init__()
        self.path, self.module = path, module
        self.mutants: list[Mutant] = []
        self._functions = 0
        self._statements: list[int] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, NEVER_MUTATED) or _is_log_line(node) or _without_effect(node):
            return False
        if isinstance(node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            self._statements.append(self._line(node))
        if isinstance(node, cst.FunctionDef):
            self._functions += 1
        elif self._functions:
            for kind, operator in mutation_operators:
                if isinstance(node, kind):
                    for changed in _changes(node, operator):
                        self._add(node, changed)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, NEVER_MUTATED):
            return
        if isinstance(original_node, cst.SimpleStatementLine | cst.BaseCompoundStatement):
            self._statements.pop()
        if isinstance(original_node, cst.FunctionDef):
            self._functions -= 1

    def _line(self, node: cst.CSTNode) -> int:
        return self.get_metadata(PositionProvider, node).start.line

    def _add(self, node: cst.CSTNode, changed: cst.CSTNode) -> None:
        module = self.module
        before, after = (" ".join(module.code_for_node(one).split()) for one in (node, changed))
        self.mutants.append(
            Mutant(
                self.path,
                self._line(node),
                self._statements[-1],
                before,
                after,
                lambda: module.deep_replace(node, changed).code,
            )
        )


def _changes(node: cst.CSTNode, operator: Callable) -> Iterator[cst.CSTNode]:
    changed = list(operator(node))
    if operator is operator_string:
        # Of a name one change is enough; another case of its letters says nothing more.
        yield from changed[:1] if not _is_words(node) else []
    elif operator is operator_arg_removal:
        yield from (one for one in changed if not _is_words(lost := _lost(node, one)) and not _without_effect(lost))
    else:
        yield from changed


def _lost(call: cst.Call, changed: cst.Call) -> cst.Arg:
    """The argument that the changed call lacks, or has as None."""
    kept = {id(arg) for arg in changed.args}
    return next(arg for arg in call.args if id(arg) not in kept)


def _is_words(node: cst.CSTNode) -> bool:
    """Whether this is a text for people, or made of one."""
    if isinstance(node, cst.Arg):
        return _is_words(node.value)
    if isinstance(node, cst.SimpleString):
        return " " in node.value
    if isinstance(node, cst.ConcatenatedString):
        return True
    if isinstance(node, cst.FormattedString):
        return any(isinstance(part, cst.FormattedStringText) and " " in part.value for part in node.parts)
    return isinstance(node, cst.Call) and isinstance(node.func, cst.Name) and node.func.value in ("_", "gettext")


def _is_log_line(node: cst.CSTNode) -> bool:
    if not (isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute)):
        return False
    return isinstance(node.func.value, cst.Name) and node.func.value.value == "log"


def _without_effect(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Arg) and node.keyword is not None and node.keyword.value in WITHOUT_EFFECT
