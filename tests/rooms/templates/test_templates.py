from typing import Any

import pytest

from studiolo.kernel.faults import Fault, Invalid, NotOffered
from studiolo.rooms.templates.domain.bodies import body
from studiolo.rooms.templates.domain.plan import Plan
from tests.rooms.templates.planning import FACTS, GROUP, SUBSCRIPTION, deployment, names, plan, template, thing, value

PARAMETER_CASES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"type": "string"}, {}, "a value is missing for the parameters 'p'"),
    ({"type": "string"}, {"p": None}, "a value is missing"),
    ({"type": "string"}, {"p": 1}, "must be of type 'string'; it is a number"),
    ({"type": "int"}, {"p": True}, "must be of type 'int'; it is a bool"),
    ({"type": "int"}, {"p": 1.5}, "must be of type 'int'"),
    ({"type": "bool"}, {"p": "true"}, "must be of type 'bool'"),
    ({"type": "array"}, {"p": {}}, "must be of type 'array'"),
    ({"type": "secureObject"}, {"p": []}, "must be of type 'secureobject'"),
    ({"type": "string", "allowedValues": ["a", "b"]}, {"p": "c"}, "allowed values: 'a', 'b'"),
    ({"type": "int", "minValue": 2}, {"p": 1}, "beyond its minValue of 2"),
    ({"type": "int", "minValue": 1, "maxValue": 2}, {"p": 3}, "beyond its maxValue of 2"),
    ({"type": "string", "minLength": 2}, {"p": "x"}, "beyond its minLength of 2"),
    ({"type": "array", "maxLength": 1}, {"p": [1, 2]}, "beyond its maxLength of 1"),
    ({"type": "nonsense"}, {"p": 1}, "is not a parameter type"),
    ({"type": "string", "defaultValue": "[toLower(5)]"}, {}, "argument 1 must be a string"),
    ({"type": "string", "defaultValue": "[variables('v')]"}, {}, "'variables' is not expected at this location"),
    ({"type": "string", "defaultValue": "a"}, {"q": "b"}, "'q' were given but are not declared in the template; it declares: p"),
]


@pytest.mark.parametrize(("declared", "given", "says"), PARAMETER_CASES)
def test_a_parameter_outside_its_declaration_is_refused(declared: dict[str, Any], given: dict[str, Any], says: str) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        plan(template(parameters={"p": declared}), given=given)
    assert caught.value.code == "InvalidTemplate"
    assert caught.value.target is not None
    assert caught.value.target.startswith("parameters")


def test_defaults_may_rest_on_other_parameters_and_on_fresh_values() -> None:
    declared = {
        "later": {"type": "string", "defaultValue": "[concat(parameters('first'), '-', parameters('FIRST'))]"},
        "first": {"type": "string", "defaultValue": "a"},
        "id": {"type": "string", "defaultValue": "[newGuid()]"},
        "other": {"type": "string", "defaultValue": "[newGuid()]"},
        "at": {"type": "string", "defaultValue": "[utcNow('yyyy-MM-dd HH:mm')]"},
        "stamp": {"type": "string", "defaultValue": "[utcNow()]"},
        "none": {"type": "string", "defaultValue": None},
    }
    found = plan(template(parameters=declared)).world.parameters
    assert found["later"] == "a-a"
    assert found["at"] == "2026-11-23 22:30"
    assert found["stamp"] == "20261123T223005Z"
    assert found["id"] != found["other"]
    assert found["id"] == plan(template(parameters=declared)).world.parameters["id"]
    assert found["none"] is None


def test_a_given_null_takes_the_default_value() -> None:
    found = plan(template(parameters={"p": {"type": "string", "defaultValue": "d"}}), given={"p": None})
    assert found.world.parameters["p"] == "d"


@pytest.mark.parametrize("given", ["Enabled", "enabled", "PublicNetworkAccessType.ENABLED"])
def test_an_allowed_text_is_known_in_the_spellings_that_clients_use(given: str) -> None:
    declared = {"p": {"type": "string", "allowedValues": ["Enabled", "Disabled"]}}
    assert plan(template(parameters=declared), given={"p": given}).world.parameters["p"] == "Enabled"


def bodies(found: Plan) -> list[Any]:
    return [body(found.world, item.declared, item.copies) for item in found.items]


def test_a_body_holds_everything_but_what_the_engine_needs() -> None:
    raw = thing(
        "a",
        location="[resourceGroup().location]",
        tags={"[concat('k', 1)]": "v"},
        kind="x",
        sku={"name": "s"},
        identity={"type": "SystemAssigned"},
        comments="none",
        plan=None,
        properties={"nothing": "[json('null')]", "list": ["[add(1, 1)]"]},
    )
    assert bodies(plan(template(resources=[raw]))) == [
        {
            "location": "local",
            "tags": {"k1": "v"},
            "kind": "x",
            "sku": {"name": "s"},
            "identity": {"type": "SystemAssigned"},
            "properties": {"nothing": None, "list": [2]},
        }
    ]


def test_copy_loops_unroll_resources_properties_variables_and_stand_in_each_other() -> None:
    raw = template(
        variables={
            "copy": [{"name": "sizes", "count": 3, "input": "[mul(copyIndex('sizes', 1), 10)]"}],
            "nested": {"copy": [{"name": "inner", "count": 2, "input": {"n": "[copyIndex('inner')]"}}]},
        },
        resources=[
            thing(
                "[concat('t', copyIndex(), '-', copyIndex('loop', 5))]",
                copy={"name": "loop", "count": 2, "mode": "serial", "batchSize": 1},
                properties={
                    "size": "[variables('sizes')[copyIndex()]]",
                    "copy": [{"name": "parts", "count": 2, "input": "[concat(copyIndex('loop'), copyIndex('parts'))]"}],
                    "inner": "[variables('nested').inner]",
                },
            ),
            thing("after", dependsOn=["loop"]),
        ],
    )
    found = plan(raw)
    assert names(found) == ["t0-5", "t1-6", "after"]
    assert [one.name for one in found.items[2].waits_for] == ["t0-5", "t1-6"]
    assert bodies(found)[1]["properties"] == {"size": 20, "parts": ["10", "11"], "inner": [{"n": 0}, {"n": 1}]}


def test_a_loop_of_no_rounds_and_a_false_condition_leave_nothing_and_may_be_depended_on() -> None:
    raw = template(
        resources=[
            thing("[concat('t', copyIndex())]", copy={"name": "loop", "count": 0}),
            thing("gone", condition="[equals(1, 2)]", properties={"x": "[div(1, 0)]"}),
            thing("after", dependsOn=["loop", "gone", "[resourceId('Studiolo.Test/things', 'gone')]"]),
        ]
    )
    assert names(plan(raw)) == ["after"]


def test_a_property_that_is_only_called_copy_stays_a_property() -> None:
    found = plan(template(resources=[thing("a", properties={"copy": ["x"], "in": {"copy": {"name": "n"}}})]))
    assert bodies(found)[0]["properties"] == {"copy": ["x"], "in": {"copy": {"name": "n"}}}


@pytest.mark.parametrize(
    "how",
    [
        ["b"],
        ["[resourceId('Studiolo.Test/things', 'b')]"],
        ["Studiolo.Test/things/b"],
        ["B"],
    ],
)
def test_dependencies_may_be_named_by_name_type_or_id(how: list[str]) -> None:
    assert names(plan(template(resources=[thing("a", dependsOn=how), thing("b")]))) == ["b", "a"]


@pytest.mark.parametrize(
    "expression",
    [
        "[reference('b').size]",
        "[reference(resourceId('Studiolo.Test/things', 'b'), '2026-01-01', 'Full').location]",
        "[listKeys('b', '2026-01-01').key]",
        "[concat('x', reference('elsewhere').y, reference('b').size)]",
        "[variables('v')[reference('b').place]]",
    ],
)
def test_a_look_up_of_a_resource_of_the_template_is_a_dependency(expression: str) -> None:
    raw = template(variables={"v": [1]}, resources=[thing("a", properties={"p": expression}), thing("b"), thing("elsewhere")])
    assert names(plan(raw))[-2:].index("a") > 0 or names(plan(raw)).index("b") < names(plan(raw)).index("a")
    assert "b" in [one.name for one in next(item for item in plan(raw).items if item.id.name == "a").waits_for]


def test_a_look_up_within_a_property_loop_is_a_dependency() -> None:
    loop = {"name": "keys", "count": 2, "input": "[reference(concat('b', copyIndex('keys'))).size]"}
    raw = template(resources=[thing("a", properties={"copy": [loop]}), thing("b0"), thing("b1")])
    assert names(plan(raw)) == ["b0", "b1", "a"]


def test_children_come_after_their_parents_and_get_their_whole_names() -> None:
    child: dict[str, Any] = {"type": "parts", "apiVersion": "2026-01-01", "name": "c", "properties": {}}
    whole = {**child, "type": "Studiolo.Test/things/parts", "name": "a/d"}
    raw = template(resources=[thing("x/y", of="Studiolo.Test/things/parts"), thing("x"), thing("a", resources=[child, whole])])
    found = plan(raw)
    assert [item.id.text.removeprefix(GROUP + "/providers/") for item in found.items] == [
        "Studiolo.Test/things/x",
        "Studiolo.Test/things/x/parts/y",
        "Studiolo.Test/things/a",
        "Studiolo.Test/things/a/parts/c",
        "Studiolo.Test/things/a/parts/d",
    ]


def test_a_scope_makes_an_extension_of_another_resource() -> None:
    raw = template(
        resources=[
            thing("r1", of="Microsoft.Authorization/roleAssignments", scope="[resourceId('Studiolo.Test/things', 'a')]"),
            thing("r2", of="Microsoft.Authorization/roleAssignments", scope="Studiolo.Test/things/a"),
            thing("a/Microsoft.Authorization/r3", of="Studiolo.Test/things/providers/roleAssignments"),
        ]
    )
    extension = f"{GROUP}/providers/Studiolo.Test/things/a/providers/Microsoft.Authorization/roleAssignments/"
    assert [item.id.text for item in plan(raw).items] == [extension + name for name in ("r1", "r2", "r3")]
    assert {item.type for item in plan(raw).items} == {"Microsoft.Authorization/roleAssignments"}


def own_function(**parts: Any) -> dict[str, Any]:
    return {"namespace": "n", "members": {"f": {"parameters": [], "output": {"type": "int", "value": 1}, **parts}}}


def looking_up(name: str) -> dict[str, Any]:
    return thing("a", properties={"p": f"[reference('{name}').x]"})


def loops(name: str) -> dict[str, Any]:
    return {"copy": [{"name": name, "count": 1, "input": 1}]}


INNER = "resources[0].properties"
WANTS = template(parameters={"p": {"type": "int"}})
BROKEN: list[tuple[dict[str, Any], str, str]] = [
    (
        {"resources": [thing("a", dependsOn=["b"]), thing("b", dependsOn=["a"])]},
        "circular dependency was found: 'a' → 'b' → 'a'",
        "resources[0]",
    ),
    ({"resources": [thing("a", dependsOn=["a"])]}, "circular dependency was found: 'a' → 'a'", "resources[0]"),
    (
        {"resources": [thing("a", properties={"p": "[reference('b').x]"}), thing("b", dependsOn=["a"])]},
        "circular dependency",
        "resources[0]",
    ),
    ({"resources": [thing("a", dependsOn=["nobody"])]}, "'nobody' is not defined in the template", "resources[0].dependsOn[0]"),
    ({"resources": [thing("a"), thing("A")]}, "defined more than once", "resources[1]"),
    ({"resources": [thing("a/b")]}, "the type has 1 after its namespace", "resources[0].name"),
    ({"resources": [thing("a", of="things")]}, "the type has 0 after its namespace", "resources[0].name"),
    ({"resources": [thing("a b?")]}, "does not have a valid id", "resources[0]"),
    ({"resources": [{"type": "Studiolo.Test/things", "name": "a"}]}, "a string is required here; it is null", "resources[0].apiVersion"),
    ({"resources": [thing("a", condition="yes")]}, "a condition must be a bool", "resources[0].condition"),
    ({"resources": [thing("a", copy={"name": "l", "count": "many"})]}, "count of a copy loop", "resources[0].copy.count"),
    ({"resources": [thing("a", copy={"name": "l", "count": -1})]}, "it is -1", "resources[0].copy.count"),
    ({"resources": [thing("a", copy={"name": "l", "count": 1, "mode": "wild"})]}, "'serial' or 'parallel'", "resources[0].copy.mode"),
    ({"resources": [thing("[reference('b').name]")]}, "'reference' is not expected at this location", "resources[0].name"),
    ({"resources": [thing("a", condition="[not(newGuid())]")]}, "'newGuid' is not expected at this location", "resources[0].condition"),
    ({"variables": {"v": "[reference('a')]"}}, "'reference' is not expected at this location", "variables.v"),
    (
        {
            "variables": {"v": "[variables('w')]", "w": "[variables('v')]"},
            "outputs": {"o": {"type": "string", "value": "[variables('v')]"}},
        },
        "circular dependency was found: variables\\('v'\\) → variables\\('w'\\) → variables\\('v'\\)",
        "variables.w",
    ),
    ({"variables": {"v": {"deep": ["[nonsense()]"]}}}, "'nonsense' at position 1", "variables.v.deep[0]"),
    ({"variables": {"v": "[parameters('nobody')]"}}, "parameter 'nobody' is not declared", "variables.v"),
    ({"outputs": {"o": {"type": "string", "value": "[variables('nobody')]"}}}, "variable 'nobody' is not declared", "outputs.o.value"),
    ({"outputs": {"o": {"type": "string", "value": "[concat(]"}}}, "is malformed", "outputs.o.value"),
    ({"outputs": {"o": {"type": "strange", "value": 1}}}, "is not an output type", "outputs.o.type"),
    ({"outputs": {"o": {"type": "string"}}}, "needs a value or a copy loop", "outputs.o"),
    ({"resources": [thing("a", condition=False, properties={"p": "[nonsense(1)]"})]}, "'nonsense'", "resources[0].properties.p"),
    ({"resources": {}}, "'resources' must be an array", "resources"),
    ({"parameters": {"p": {"type": "int"}, "P": {"type": "int"}}}, "'P' is declared twice", "parameters.P"),
    ({"parameters": {"p": {"type": "int", "minValue": "x", "defaultValue": 1}}}, "must be a whole number", "parameters.p.minValue"),
    ({"parameters": {"p": 1}}, "declaration must be an object", "parameters.p"),
    ({"variables": {"v": 1, "V": 1}}, "'V' is declared twice", "variables.V"),
    ({"variables": {"copy": [1]}}, "copy loop must be an object", "variables.copy[0]"),
    ({"functions": {}}, "'functions' must be an array", "functions"),
    ({"functions": [1]}, "must be an object", "functions[0]"),
    ({"functions": [{"namespace": "n", "members": {"f": 1}}]}, "definition must be an object", "functions[0].members.f"),
    ({"functions": [own_function(parameters=1)]}, "must be an array", "functions[0].members.f.parameters"),
    ({"functions": [own_function(parameters=[1])]}, "must be an object", "functions[0].members.f.parameters[0]"),
    ({"functions": [own_function(output={})]}, "needs an output with a value", "functions[0].members.f.output"),
    ({"outputs": {"o": 1}}, "an output must be an object", "outputs.o"),
    ({"outputs": {"o": {"type": "int", "value": "x"}}}, "the output 'o' must be of type 'int'; it is a string", "outputs.o.value"),
    ({"resources": [1]}, "a resource must be an object", "resources[0]"),
    ({"resources": [thing("a", dependsOn="a")]}, "an array of names and ids", "resources[0].dependsOn"),
    ({"resources": [thing("a", copy=[])]}, "copy loop must be an object", "resources[0].copy"),
    ({"resources": [thing("a", tags={"[createArray()]": 1})]}, "the name of a property must be a string", "resources[0].tags"),
    ({"resources": [thing("a", properties=loops(""))]}, "needs a name", "resources[0].properties.copy[0].name"),
    ({"resources": [looking_up("t"), thing("t/t", of="X.Y/a/b"), thing("t")]}, "more than one resource", "resources[0].properties.p"),
    ({"resources": [thing("a", of="/things")]}, "is not a resource type", "resources[0].type"),
    ({"resources": [thing("g", of="Microsoft.Resources/resourceGroups")]}, "deployment to a subscription", "resources[0].type"),
    ({"resources": [{**deployment("n", template()), "properties": {}}]}, "needs a template", "resources[0].properties.template"),
    ({"resources": [deployment("n", template(), scope="up")]}, "'inner' or 'outer'", f"{INNER}.expressionEvaluationOptions.scope"),
    ({"resources": [deployment("n", WANTS, scope="inner", parameters={"p": {}})]}, "with a 'value'", f"{INNER}.parameters.p"),
    ({"resources": [deployment("n", WANTS, scope="inner", parameters={"p": 1})]}, "with a 'value'", f"{INNER}.parameters.p"),
    ({"resources": [deployment("n", WANTS, scope="inner", parameters="[createArray(1)]")]}, "must be an object", f"{INNER}.parameters"),
    ({"surprise": 1}, "no section 'surprise'", "surprise"),
    ({"contentVersion": None}, "'contentVersion' is required", "contentVersion"),
    ({"resources": [thing("a", resourceGroup="g2")]}, "can only stand on a nested deployment", "resources[0]"),
]


@pytest.mark.parametrize(("sections", "says", "where"), BROKEN)
def test_a_template_that_breaks_a_rule_is_refused_with_its_place(sections: dict[str, Any], says: str, where: str) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        plan(template(**sections))
    assert caught.value.code == "InvalidTemplate"
    assert caught.value.target == where
    assert where in caught.value.message


@pytest.mark.parametrize(
    "sections",
    [
        {"languageVersion": "2.0", "resources": {"a": {}}},
        {"definitions": {"x": {"type": "string"}}},
        {"resources": [{**deployment("n", template()), "properties": {"mode": "Incremental", "templateLink": {"uri": "https://x"}}}]},
        {"resources": [{**deployment("n", template()), "properties": {"mode": "Complete", "template": template()}}]},
        {
            "resources": [
                deployment(
                    "n", template(parameters={"p": {"type": "string"}}), scope="inner", parameters={"p": {"reference": {"secretName": "s"}}}
                )
            ]
        },
        {"resources": [{**deployment("n", template()), "properties": {"template": template(), "onErrorDeployment": {"type": "x"}}}]},
        {"resources": [thing("a", scope="/")]},
    ],
)
def test_what_is_not_offered_says_so(sections: dict[str, Any]) -> None:
    with pytest.raises(NotOffered):
        plan(template(**sections))


def test_an_unknown_type_is_refused_where_it_would_be_created() -> None:
    raw = template(resources=[thing("a"), deployment("n", template(resources=[thing("b", of="Microsoft.Nowhere/x")]))])
    with pytest.raises(Invalid, match=r"'Microsoft\.Nowhere/x' is not offered here") as caught:
        plan(raw, unknown={"Microsoft.Nowhere/x"})
    assert caught.value.code == "InvalidTemplateDeployment"
    assert caught.value.target == "resources[1].properties.template.resources[0]"
    assert caught.value.details[0].code == "InvalidResourceType"


def test_an_unknown_type_that_is_not_deployed_does_no_harm() -> None:
    raw = template(resources=[thing("a", of="Microsoft.Nowhere/x", condition=False), thing("b", dependsOn=["a"])])
    assert names(plan(raw, unknown={"Microsoft.Nowhere/x"})) == ["b"]


def test_the_same_thing_is_wrong_in_a_nested_template() -> None:
    with pytest.raises(Invalid, match="'nonsense'") as caught:
        plan(template(resources=[deployment("n", template(outputs={"o": {"type": "int", "value": "[nonsense()]"}}), condition=False)]))
    assert caught.value.target == "resources[0].properties.template.outputs.o.value"


def nested(found: Plan, name: str) -> Plan:
    return next(inner for key, inner in found.nested.items() if key.endswith(f"/{name}"))


def test_with_outer_scope_a_nested_template_sees_what_is_around_it() -> None:
    inner = template(
        parameters={"p": {"type": "string", "defaultValue": "inner"}},
        variables={"v": "inner"},
        resources=[thing("[concat(parameters('p'), variables('v'), copyIndex())]", properties={"group": "[resourceGroup().name]"})],
    )
    raw = template(
        parameters={"p": {"type": "string", "defaultValue": "outer"}},
        variables={"v": "-v-"},
        resources=[deployment("[concat('n', copyIndex())]", inner, copy={"name": "loop", "count": 2}, resourceGroup="other")],
    )
    found = nested(plan(raw), "n1")
    assert found.items[0].id.text == f"/subscriptions/{SUBSCRIPTION}/resourceGroups/other/providers/Studiolo.Test/things/outer-v-1"
    assert bodies(found)[0]["properties"] == {"group": "studiolo"}


def test_with_inner_scope_a_nested_template_sees_its_own() -> None:
    inner = template(
        parameters={"p": {"type": "string"}, "q": {"type": "string", "defaultValue": "own"}},
        resources=[
            thing(
                "[concat(parameters('p'), parameters('q'))]",
                properties={"group": "[resourceGroup().name]", "id": "[resourceId('Studiolo.Test/things', 'x')]"},
            )
        ],
    )
    raw = template(
        parameters={"p": {"type": "string", "defaultValue": "outer"}},
        resources=[
            deployment(
                "n",
                inner,
                scope="inner",
                parameters={"p": {"value": "[toUpper(parameters('p'))]"}},
                subscriptionId="s2",
                resourceGroup="other",
            )
        ],
    )
    found = nested(plan(raw), "n")
    assert found.items[0].id.text == "/subscriptions/s2/resourceGroups/other/providers/Studiolo.Test/things/OUTERown"
    assert bodies(found)[0]["properties"] == {
        "group": "other",
        "id": "/subscriptions/s2/resourceGroups/other/providers/Studiolo.Test/things/x",
    }
    with pytest.raises(Invalid, match="parameter 'p' is not declared"):
        plan(
            template(
                parameters={"p": {"type": "string", "defaultValue": ""}},
                resources=[deployment("n", template(resources=[thing("[parameters('p')]")]), scope="inner")],
            )
        )


def test_a_nested_template_that_rests_on_a_look_up_is_planned_when_it_runs() -> None:
    inner = template(parameters={"p": {"type": "string"}}, resources=[thing("[parameters('p')]")])
    raw = template(resources=[deployment("n", inner, scope="inner", parameters={"p": {"value": "[reference('a').name]"}}), thing("a")])
    found = plan(raw)
    assert names(found) == ["a", "n"]
    assert found.nested == {}


def test_a_subscription_may_get_groups_and_deployments_into_them() -> None:
    facts = FACTS.__class__(f"/subscriptions/{SUBSCRIPTION}", FACTS.deployment, FACTS.subscription, None, {}, {}, {})
    inner = template(resources=[thing("a", properties={"where": "[resourceGroup().id]"})])
    raw = template(
        resources=[
            deployment("n", inner, scope="inner", resourceGroup="fresh", dependsOn=["fresh"]),
            thing("fresh", of="Microsoft.Resources/resourceGroups", location="local"),
        ]
    )
    found = plan(raw, facts=facts)
    assert [item.id.text for item in found.everything()] == [
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/fresh",
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/fresh/providers/Microsoft.Resources/deployments/n",
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/fresh/providers/Studiolo.Test/things/a",
    ]
    with pytest.raises(Fault, match="goes to a subscription"):
        plan(template(variables={"v": "[resourceGroup().name]"}, resources=[thing("[variables('v')]")]), facts=facts)


def test_a_function_of_the_template_takes_what_it_declares() -> None:
    own = own_function(parameters=[{"name": "p", "type": "int"}], output={"type": "int", "value": "[parameters(toLower('Q'))]"})
    with pytest.raises(Invalid, match="the function has no parameter 'q'"):
        plan(template(functions=[own], resources=[thing("a", properties={"p": "[n.f(1)]"})]))
    with pytest.raises(Invalid, match=r"'n\.f' takes 1 arguments; 2 are given"):
        plan(template(functions=[own], resources=[thing("a", properties={"p": "[n.f(1, 2)]"})]))
    with pytest.raises(Invalid, match=r"'n\.f' takes 1 arguments; 2 are given"):
        value("[n.f(1, 2)]", functions=[own])


def test_a_loop_that_rests_on_a_look_up_is_unrolled_when_it_runs() -> None:
    loop = {"name": "l", "count": "[reference('b').size]", "input": "[copyIndex('l')]"}
    raw = template(
        resources=[
            thing("a", properties={"copy": [loop], "p": "[concat(reference('b').x, reference(concat('c', 1)).y)]"}),
            thing("b"),
            thing("c1"),
        ],
        outputs={"o": {"type": "array", "copy": {"count": "[reference('a').size]", "input": 1}}},
    )
    assert names(plan(raw)) == ["b", "c1", "a"]


def test_a_look_up_whose_target_is_not_known_yet_is_no_dependency_yet() -> None:
    later = "[concat(reference('b').x, reference(reference('b').id, '2026-01-01').y)]"
    assert names(plan(template(resources=[thing("a", properties={"p": later}), thing("b")]))) == ["b", "a"]


def test_a_nested_parameter_may_be_a_whole_look_up() -> None:
    inner = template(parameters={"p": {"type": "object"}}, resources=[thing("x", properties="[parameters('p')]")])
    raw = template(resources=[deployment("n", inner, scope="inner", parameters={"p": {"value": "[reference('a')]"}}), thing("a")])
    assert [item.id.name for item in plan(raw).everything()] == ["a", "n", "x"]
    raw["resources"][0]["properties"]["parameters"]["p"] = "[reference('a').whole]"
    assert [item.id.name for item in plan(raw).everything()] == ["a", "n", "x"]


def test_a_nested_deployment_may_go_to_the_subscription() -> None:
    inner = template(resources=[thing("g", of="Microsoft.Resources/resourceGroups", location="local")])
    found = plan(template(resources=[deployment("n", inner, scope="inner", subscriptionId=SUBSCRIPTION, location="local")]))
    assert [item.id.text.removeprefix(f"/subscriptions/{SUBSCRIPTION}/") for item in found.everything()] == [
        "providers/Microsoft.Resources/deployments/n",
        "resourceGroups/g",
    ]


def test_functions_of_the_template_see_their_arguments_alone() -> None:
    own: list[dict[str, Any]] = [
        {
            "namespace": "my",
            "members": {
                "name": {
                    "parameters": [{"name": "prefix", "type": "string"}],
                    "output": {"type": "string", "value": "[concat(toLower(parameters('prefix')), '-x')]"},
                }
            },
        }
    ]
    assert names(plan(template(functions=own, resources=[thing("[my.name('A')]")]))) == ["a-x"]
    for wrong, says in (("[variables('v')]", "not expected"), ("[parameters('other')]", "not declared"), ("[my.name('x')]", "not known")):
        own[0]["members"]["name"]["output"]["value"] = wrong
        with pytest.raises(Invalid, match=says):
            plan(template(functions=own, variables={"v": 1}, parameters={"other": {"type": "string", "defaultValue": ""}}))
