"""Templates that ask for more than a server has: each ends in a clear refusal, soon and in little memory."""

import time
import tracemalloc
from typing import Any

import pytest

from studiolo.kernel.faults import Invalid
from tests.rooms.templates.planning import deployment, plan, template, thing

MOST_SECONDS = 10.0
MOST_BYTES = 128 << 20


def doubled(step: str, first: Any, rounds: int = 40) -> dict[str, Any]:
    """Variables that each hold the one before twice."""
    found: dict[str, Any] = {"v0": first}
    for number in range(1, rounds):
        found[f"v{number}"] = step.replace("@", f"variables('v{number - 1}')")
    return found


def chain(length: int) -> dict[str, Any]:
    return {"v0": "x"} | {f"v{number}": f"[variables('v{number - 1}')]" for number in range(1, length)}


def nests(depth: int) -> dict[str, Any]:
    inner = template(resources=[thing("a")])
    for _ in range(depth):
        inner = template(resources=[deployment("n", inner)])
    return inner


def deep(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


def family(depth: int) -> dict[str, Any]:
    found = thing("a")
    for _ in range(depth):
        found = thing("a", resources=[found])
    return found


def output(expression: str) -> dict[str, Any]:
    return {"outputs": {"o": {"type": "object", "value": {"v": expression}}}}


LOOP = "[map(range(0, 10000), lambda('x', {0}))]"
BOMBS: dict[str, dict[str, Any]] = {
    "text that doubles": {"variables": doubled("[concat(@, @)]", "x" * 1000), **output("[variables('v39')]")},
    "arrays that double": {"variables": doubled("[createArray(@, @)]", [1]), **output("[variables('v39')]")},
    "objects that double": {"variables": doubled("[createObject('a', @, 'b', @)]", {}), **output("[variables('v39')]")},
    "text by format": {"variables": doubled("[format('{0}{0}{0}{0}', @)]", "x" * 1000), **output("[variables('v39')]")},
    "text by replace": {"variables": doubled("[replace(@, 'x', 'xxxxxxxx')]", "x"), **output("[variables('v39')]")},
    "text by join": {"variables": doubled("[join(createArray(@, @, @), @)]", "xy"), **output("[variables('v39')]")},
    "text by padding": output("[padLeft('x', 2000000000)]"),
    "loops in loops": output(LOOP.replace("{0}", LOOP.replace("{0}", "lambdaVariables('x')"))),
    "property loops in loops": {
        "resources": [
            thing(
                "a",
                properties={
                    "copy": [
                        {
                            "name": "l",
                            "count": 800,
                            "input": {"copy": [{"name": "m", "count": 800, "input": {"copy": [{"name": "n", "count": 800, "input": 1}]}}]},
                        }
                    ]
                },
            )
        ]
    },
    "hashes of long texts": {"variables": {"v": "x" * 400_000}, **output(LOOP.replace("{0}", "uniqueString(variables('v'))"))},
    "formats of long texts": {"variables": {"v": "{0}" * 100_000}, **output(LOOP.replace("{0}", "format(variables('v'), 1)"))},
    "searches of long arrays": {"variables": {"v": "[range(0, 10000)]"}, **output(LOOP.replace("{0}", "contains(variables('v'), -1)"))},
    "merges of wide objects": {
        "variables": {"v": "[toObject(range(0, 10000), lambda('x', string(lambdaVariables('x'))))]"},
        **output(LOOP.replace("{0}", "union(variables('v'), variables('v'))")),
    },
    "sorting in loops": output(
        LOOP.replace("{0}", "sort(range(0, 9), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))")
    ),
    "members by other case": {
        "variables": {"v": "[toObject(range(0, 10000), lambda('x', concat('k', lambdaVariables('x'))))]"},
        **output(LOOP.replace("{0}", "variables('v').K9999")),
    },
    "a long chain of variables": {"variables": chain(500), **output("[variables('v499')]")},
    "calls in calls": output("[" + "concat(" * 3000 + "'x'" + ")" * 3000 + "]"),
    "brackets in brackets": output("[variables('v')" + "[0]" * 5000 + "]"),
    "an expression that is too long": output("[concat('" + "x" * 30_000 + "')]"),
    "values in values": {"variables": {"v": deep(60)}},
    "built values in values": {"variables": doubled("[createArray(@)]", 1, 60), **output("[variables('v59')]")},
    "a text that is too long": {"variables": {"v": "x" * 1_048_577}, **output("[variables('v')]")},
    "children of children": {"resources": [family(17)]},
    "one long text by join": {"variables": {"v": "x" * 1000}, **output("[join(range(0, 10000), variables('v'))]")},
    "parsed values in values": output("[json('" + "[" * 5000 + "]" * 5000 + "')]"),
    "too many resources": {"resources": [thing("[concat('a', copyIndex())]", copy={"name": "l", "count": 801})]},
    "too many resources in all": {
        "resources": [thing(f"[concat('a{n}-', copyIndex())]", copy={"name": f"l{n}", "count": 500}) for n in range(2)]
    },
    "too many in nested deployments": {
        "resources": [
            deployment(
                "[concat('n', copyIndex())]",
                template(resources=[thing("[concat('x', copyIndex('l'))]", copy={"name": "l", "count": 40})]),
                copy={"name": "o", "count": 40},
            )
        ]
    },
    "deployments in deployments": {"resources": nests(12)["resources"]},
    "too many parameters": {"parameters": {f"p{n}": {"type": "int", "defaultValue": 1} for n in range(257)}},
    "too many variables": {"variables": {f"v{n}": 1 for n in range(513)}},
    "too many outputs": {"outputs": {f"o{n}": {"type": "int", "value": 1} for n in range(65)}},
    "dates far away": output("[dateTimeAdd('2020-01-01', 'P9999Y99999M999999D')]"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_defused(name: str) -> None:
    began = time.process_time()
    with pytest.raises(Invalid) as caught:
        plan(template(**BOMBS[name]))
    assert caught.value.code == "InvalidTemplate"
    assert len(caught.value.message) < 2000
    assert time.process_time() - began < MOST_SECONDS


def test_a_bomb_does_not_fill_the_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Invalid):
            plan(template(**BOMBS["text that doubles"]))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MOST_BYTES


def test_a_given_value_may_not_be_nested_too_deeply() -> None:
    with pytest.raises(Invalid, match="nested more than 40 levels"):
        plan(template(parameters={"p": {"type": "array"}}), given={"p": deep(50)})


def test_a_large_honest_template_is_planned() -> None:
    raw = template(
        variables={"copy": [{"name": "names", "count": 400, "input": "[format('n{0:D3}', copyIndex('names'))]"}]},
        resources=[
            thing(
                "[variables('names')[copyIndex()]]",
                copy={"name": "l", "count": 400},
                tags={"a": "[toUpper(variables('names')[copyIndex()])]"},
                properties={"list": [{"n": "[add(copyIndex(), 1)]", "s": "[uniqueString(resourceGroup().id, string(copyIndex()))]"}] * 5},
            )
        ],
    )
    assert len(plan(raw).items) == 400
