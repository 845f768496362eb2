"""Expressions of templates: `[concat(parameters('a'), 'b')]`."""

from studiolo.rooms.templates.domain.expressions.parser import expression_in, literal_in, parse
from studiolo.rooms.templates.domain.expressions.tree import Call, Item, Literal, Member, Node, calls

__all__ = ["Call", "Item", "Literal", "Member", "Node", "calls", "expression_in", "literal_in", "parse"]
