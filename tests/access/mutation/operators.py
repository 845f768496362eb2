"""The faults that are planted: comparisons, logic, numbers, texts, returns, branches, statements, filters.

Left alone are what cannot change an answer by its nature: annotations, docstrings, `__slots__`, sentences for people (f-strings, texts
within a raise, texts of five words and more), the arguments of decorators and class bases, and the sizes of caches.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
}
CALLED = {"any": "all", "all": "any", "min": "max", "max": "min", "startswith": "endswith", "endswith": "startswith", "find": "rfind"}
CACHES = ("_MOST_", "_REMEMBERED")


@dataclass(frozen=True)
class Mutant:
    """One fault: one of the choices at one of the places of its module."""

    module: str
    place: int
    choice: int
    line: int
    text: str

    @property
    def id(self) -> str:
        return f"{self.module}:{self.line}:{self.place}.{self.choice}"


def mutants(module: str, source: str) -> Iterator[Mutant]:
    """Every fault of a module, in the order of its text."""
    for place, (_, _, _, node) in enumerate(_spots(ast.parse(source))):
        for choice, (_, text) in enumerate(_variants(node)):
            yield Mutant(module, place, choice, _line(node), text)


def planted(mutant: Mutant, source: str) -> ast.Module:
    """The module's tree with the fault."""
    tree = ast.parse(source)
    parent, field, index, node = _spots(tree)[mutant.place]
    changed, _ = list(_variants(node))[mutant.choice]
    _put(parent, field, index, ast.copy_location(changed, node))
    return ast.fix_missing_locations(tree)


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0) or (node.target.lineno if isinstance(node, ast.comprehension) else 0)


Spot = tuple[ast.AST, str, int | None, ast.AST]


def _spots(tree: ast.AST) -> list[Spot]:
    found: list[Spot] = []

    def visit(node: ast.AST, *, texts: bool) -> None:
        for field, value in ast.iter_fields(node):
            if _is_left_alone(node, field):
                continue
            for index, child in _children(value):
                if (
                    not isinstance(child, ast.AST)
                    or _is_declaration(child)
                    or (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant))
                ):
                    continue
                if isinstance(child, ast.JoinedStr) or (not texts and isinstance(child, ast.Constant) and isinstance(child.value, str)):
                    continue
                found.append((node, field, index, child))
                visit(child, texts=texts and not isinstance(child, ast.Raise))

    visit(tree, texts=True)
    return found


def _children(value: object) -> Iterator[tuple[int | None, object]]:
    if isinstance(value, list):
        yield from enumerate(cast("list[object]", value))
    else:
        yield None, value


def _is_left_alone(node: ast.AST, field: str) -> bool:
    return (
        field in {"annotation", "returns", "decorator_list", "ctx", "type_comment"}
        or (isinstance(node, ast.ClassDef) and field in {"bases", "keywords"})
        or (isinstance(node, ast.Import | ast.ImportFrom))
    )


def _is_declaration(node: ast.AST) -> bool:
    """Whether a statement only names types, slots, exports or the size of a cache."""
    if isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias":
        return True
    targets = node.targets if isinstance(node, ast.Assign) else []
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return any(name in {"__slots__", "__all__"} or name.startswith(CACHES) for name in names) or _is_type_variable(node)


def _is_type_variable(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "TypeVar"


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _variants(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    for changed in _changes(node):
        yield changed, f"{_said(node)}  →  {_said(changed)}"


def _said(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).strip()[:70].partition("\n")[0]


def _changes(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901 # a table in the form of a match
    match node:
        case ast.Compare(left, ops, comparators) if type(ops[0]) in COMPARISONS:
            yield ast.Compare(left, [COMPARISONS[type(ops[0])](), *ops[1:]], comparators)
            if len(ops) == 2 and type(ops[1]) in COMPARISONS:
                yield ast.Compare(left, [ops[0], COMPARISONS[type(ops[1])]()], comparators)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in ARITHMETIC:
            yield ast.BinOp(left, ARITHMETIC[type(op)](), right)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
        case ast.Constant(str() as value) if value.count(" ") < 4:
            yield ast.Constant(f"XX{value}")
        case ast.Name(id) if id in CALLED:
            yield ast.Name(CALLED[id], ast.Load())
        case ast.Attribute(value, attr) if attr in CALLED:
            yield ast.Attribute(value, CALLED[attr], ast.Load())
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.comprehension(target, iter, ifs, is_async) if ifs:
            yield ast.comprehension(target, iter, ifs[1:], is_async)
        case _:
            yield from _changes_of_statements(node)


def _changes_of_statements(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.While(test, body, orelse):
            yield ast.While(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.Return(value) if value is not None and ast.unparse(value) not in {"None", "UNKNOWN"}:  # they are the same
            yield ast.Return(ast.Constant(None))
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.AugAssign() | ast.Raise() | ast.Expr(ast.Call()):
            yield ast.Pass()
        case _:
            return
