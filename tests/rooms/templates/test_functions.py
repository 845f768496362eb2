import uuid
from dataclasses import replace

import pytest

from studiolo.kernel.faults import Invalid
from studiolo.rooms.templates.domain.evaluation import Evaluation
from studiolo.rooms.templates.domain.outputs import shown_output
from tests.rooms.templates.planning import FACTS, GROUP, SUBSCRIPTION, plan, template, value

# Where a value is published for an example, it stands here as published.
PUBLISHED = [
    ("[array('efgh')]", ["efgh"]),
    ("[array(createArray(1))]", [1]),
    ("[concat('prefix', '-', 5, true())]", "prefix-5True"),
    ("[concat(createArray(1), createArray(2, 3))]", [1, 2, 3]),
    ("[contains('OneTwoThree', 'e')]", True),
    ("[contains('OneTwoThree', 'z')]", False),
    ("[contains('abc', 'B')]", False),
    ("[contains(createObject('one', 'a'), 'ONE')]", True),
    ("[contains(createArray('one', 'two'), 'two')]", True),
    ("[createObject('intProp', 1, 'o', createObject('k', null()))]", {"intProp": 1, "o": {"k": None}}),
    ("[empty('')]", True),
    ("[empty(createArray())]", True),
    ("[empty(null())]", True),
    ("[empty(createObject('a', 1))]", False),
    ("[first(createArray('one', 'two'))]", "one"),
    ("[first('One Two')]", "O"),
    ("[last('One Two')]", "o"),
    ("[first(createArray())]", None),
    ("[indexOf('abcdef', 'CD')]", 2),
    ("[indexOf(createArray('a', 'B'), 'b')]", -1),
    ("[lastIndexOf('abcba', 'B')]", 3),
    ("[intersection(createArray('one','two','three'), createArray('two','three'))]", ["two", "three"]),
    ("[intersection(createObject('one','a','three','c'), createObject('one','a','two','b','three','c'))]", {"one": "a", "three": "c"}),
    ("[union(createArray('one','two'), createArray('two','three'))]", ["one", "two", "three"]),
    ("[join(createArray('a', 'b', 3), ', ')]", "a, b, 3"),
    ("[length(createArray(1, 2, 3))]", 3),
    ("[length('One Two Three')]", 13),
    ("[length(createObject('a', 1, 'b', 2))]", 2),
    ("[range(5, 3)]", [5, 6, 7]),
    ("[skip(createArray(1, 2, 3), 2)]", [3]),
    ("[skip('one two', 4)]", "two"),
    ("[take(createArray(1, 2, 3), 2)]", [1, 2]),
    ("[take('one', 99)]", "one"),
    ("[min(createArray(0, 3, 2, 5, 4))]", 0),
    ("[max(0, 3, 2, 5, 4)]", 5),
    ("[flatten(createArray(createArray(1, 2), createArray(3)))]", [1, 2, 3]),
    ("[tryGet(createObject('a', createArray(7)), 'A', 0)]", 7),
    ("[tryGet(createObject('a', 1), 'b')]", None),
    ("[indexFromEnd(createArray('a','b','c'), 1)]", "c"),
    ("[shallowMerge(createArray(createObject('a', 1), createObject('b', 2)))]", {"a": 1, "b": 2}),
    ("[coalesce(null(), null(), 'default')]", "default"),
    ("[equals('A', 'a')]", False),
    ("[equals(1, '1')]", False),
    ("[equals(true(), 1)]", False),
    ("[less(1, 2)]", True),
    ("[less('A', 'a')]", False),
    ("[lessOrEquals('A', 'a')]", False),
    ("[greater('A', 'a')]", True),
    ("[greaterOrEquals(2, 2)]", True),
    ("[xor(true(), false())]", True),
    ("[not(bool('0'))]", True),
    ("[bool('TRUE')]", True),
    ("[int('4')]", 4),
    ("[div(-8, 3)]", -2),
    ("[mod(-7, 3)]", -1),
    ("[sub(7, 3)]", 4),
    ("[base64('one, two, three')]", "b25lLCB0d28sIHRocmVl"),
    ("[base64ToString('b25lLCB0d28sIHRocmVl')]", "one, two, three"),
    ('[base64ToJson(base64(\'{"one": "a"}\')).one]', "a"),
    ("[dataUri('Hello')]", "data:text/plain;charset=utf8;base64,SGVsbG8="),
    ("[dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')]", "Hello, World!"),
    ("[format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)]", "Hello, User. Formatted number: 8,175,133"),
    ("[format('{{{0,4}}}|{0,-4}|{1:D4}|{1:X}', 'a', 255)]", "{   a}|a   |0255|FF"),
    ("[padLeft('123', 10, '0')]", "0000000123"),
    ("[replace('123-123-1234', '-', '')]", "1231231234"),
    ("[split('one;two,three', createArray(';', ','))]", ["one", "two", "three"]),
    ("[startsWith('abcdef', 'AB')]", True),
    ("[endsWith('abcdef', 'F')]", True),
    ("[string(createArray('a', 1))]", '["a",1]'),
    ("[string(false())]", "False"),
    ("[substring('one two three', 4, 3)]", "two"),
    ("[toUpper(toLower('One'))]", "ONE"),
    ("[trim('  one two  ')]", "one two"),
    ("[uri('http://contoso.org/firstpath', 'myscript.sh')]", "http://contoso.org/myscript.sh"),
    ("[uri('http://contoso.org/firstpath/', 'myscript.sh')]", "http://contoso.org/firstpath/myscript.sh"),
    ("[uriComponent('http://contoso.com/a b')]", "http%3A%2F%2Fcontoso.com%2Fa%20b"),
    ("[uriComponentToString('a%20b')]", "a b"),
    ("[json('null')]", None),
    ("[json('{\"a\": [1, true]}').a[1]]", True),
    ("[dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')]", "2023-04-07T14:53:14Z"),
    ("[dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')]", "2020-03-29T14:53:14Z"),
    ("[dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H')]", "2020-04-07T15:53:14Z"),
    ("[dateTimeAdd('2024-01-31T00:00:00Z', 'P1M', 'yyyy-MM-dd')]", "2024-02-29"),
    ("[dateTimeToEpoch(dateTimeFromEpoch(1683040573))]", 1683040573),
    ("[filter(createArray(3, 1, 2), lambda('x', greater(lambdaVariables('x'), 1)))]", [3, 2]),
    ("[map(createArray('a'), lambda('x', 'i', concat(lambdaVariables('X'), lambdaVariables('i'))))]", ["a0"]),
    ("[sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))]", [1, 2, 3]),
    ("[reduce(createArray(5, 3, 2), 1, lambda('c', 'n', add(lambdaVariables('c'), lambdaVariables('n'))))]", 11),
    ("[toObject(createArray('a','b'), lambda('x', lambdaVariables('x')), lambda('x', 1))]", {"a": 1, "b": 1}),
    ("[groupBy(createArray('a','bb','c'), lambda('x', string(length(lambdaVariables('x')))))]", {"1": ["a", "c"], "2": ["bb"]}),
    ("[mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))]", {"a": 2}),
    ("[items(createObject('item002', 1, 'item001', 2))]", [{"key": "item001", "value": 2}, {"key": "item002", "value": 1}]),
    ("[lastIndexOf(createArray('a','b','a'), 'a')]", 2),
    ("[tryGet(createArray(1), 'a')]", None),
    ("[equals(createArray(1, createObject('a', 1)), createArray(1, createObject('a', 1)))]", True),
    ("[equals(createObject('a', 1), createObject('a', 2))]", False),
    ("[bool(true())]", True),
    ("[bool(0)]", False),
    ("[string(null())]", ""),
    ("[float('1.5')]", 1.5),
    ("[dataUriToString('data:,a%20b')]", "a b"),
    ("[dateTimeAdd('20200407T145314Z', 'P1W', 'ddd d MMM yy h:m tt')]", "Tue 14 Apr 20 2:53 PM"),
    ("[dateTimeAdd('2020-04-07T14:53:14.25', 'PT0S', 'o')]", "2020-04-07T14:53:14.2500000Z"),
    ("[dateTimeAdd('2020-04-07T14:53:14Z', 'PT0S', 'HH\\h\\o')]", "14ho"),
    ("[dateTimeAdd('2020-04-07T14:53:14Z', 'PT0S', concat('HH', base64ToString('J2gn')))]", "14h"),
    ("[objectKeys(createObject('b', 1, 'a', 2))]", ["a", "b"]),
]


@pytest.mark.parametrize(("expression", "means"), PUBLISHED)
def test_a_function_answers_as_published(expression: str, means: object) -> None:
    found = value(expression)
    assert found == means
    assert type(found) is type(means)


def test_objects_merge_deeply_and_arrays_in_them_are_replaced() -> None:
    first = {"property": {"one": "a", "two": "b", "three": "c1"}, "nestedArray": [1, 2]}
    second = {"property": {"three": "c2", "four": "d", "five": "e"}, "nestedArray": [3, 4]}
    assert value("[union(variables('a'), variables('b'))]", variables={"a": first, "b": second}) == {
        "property": {"one": "a", "two": "b", "three": "c2", "four": "d", "five": "e"},
        "nestedArray": [3, 4],
    }


MACHINE = "/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourceGroups/rg-modm201-20230913120256"


@pytest.mark.parametrize(
    ("texts", "means"),
    [
        (("test",), "rbgf3xv4ufgzg"),
        (("hello", "world"), "a7wkljktk6wne"),
        (("abc",), "cgtzqvhu4i23s"),
        (("foo", "bar", "baz"), "xzi4ioaxtmth4"),
        (("/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/my-rg",), "bmg7c6xu4tw46"),
        (
            (f"{MACHINE}/providers/Microsoft.Compute/virtualMachines/bobjacmodm201",),
            "yvjxno3je5on2",
        ),
    ],
)
def test_unique_strings_are_those_of_the_public_cloud(texts: tuple[str, ...], means: str) -> None:
    assert value("[uniqueString(" + ", ".join(f"'{text}'" for text in texts) + ")]") == means


def test_a_guid_is_the_name_based_one_of_the_published_namespace() -> None:
    expected = str(uuid.uuid5(uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830"), "a-b-é"))
    assert value("[guid('a', 'b', 'é')]") == expected
    assert value("[guid('a', 'b', 'é')]") == expected


@pytest.mark.parametrize(
    ("expression", "means"),
    [
        ("[resourceId('Microsoft.X/a', 'n')]", f"{GROUP}/providers/Microsoft.X/a/n"),
        (
            "[resourceId('rg2', 'Microsoft.X/a/b', 'n', 'm')]",
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg2/providers/Microsoft.X/a/n/b/m",
        ),
        ("[resourceId('s2', 'rg2', 'Microsoft.X/a', 'n')]", "/subscriptions/s2/resourceGroups/rg2/providers/Microsoft.X/a/n"),
        ("[subscriptionResourceId('Microsoft.X/a', 'n')]", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.X/a/n"),
        ("[subscriptionResourceId('s2', 'Microsoft.X/a', 'n')]", "/subscriptions/s2/providers/Microsoft.X/a/n"),
        ("[tenantResourceId('Microsoft.X/a', 'n')]", "/providers/Microsoft.X/a/n"),
        (
            "[extensionResourceId(resourceId('Microsoft.X/a', 'n'), 'Microsoft.Y/b', 'm')]",
            f"{GROUP}/providers/Microsoft.X/a/n/providers/Microsoft.Y/b/m",
        ),
        ("[resourceGroup().name]", "studiolo"),
        ("[resourceGroup().tags.team]", "a"),
        ("[subscription().subscriptionId]", SUBSCRIPTION),
        ("[subscription().tenantId]", "t1"),
        ("[tenant().tenantId]", "t1"),
        ("[deployment().name]", "main"),
        ("[environment()]", FACTS.environment),
        ("[deployer().objectId]", "o1"),
    ],
)
def test_functions_of_place_tell_where_the_deployment_goes(expression: str, means: object) -> None:
    assert value(expression) == means


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("[resourceId('Microsoft.X/a/b', 'n')]", "needs 2 names; 1 are given"),
        ("[resourceId('a', 'b')]", "is a resource type"),
        ("[add(9223372036854775807, 1)]", "does not fit into 64 bits"),
        ("[div(1, 0)]", "must not be 0"),
        ("[range(0, 10001)]", "between 0 and 10000"),
        ("[json('{')]", "is not JSON"),
        ("[json('1e999')]", "is not JSON"),
        ("[base64ToString('###')]", "is not base64"),
        ("[substring('abc', 2, 5)]", "does not lie within the text"),
        ("[format('{1}', 'a')]", "asks for argument 1, but 1 are given"),
        ("[format('{0:C}', 1)]", "the format code 'C' is not offered"),
        ("[format('{', 1)]", "a single '\\{'"),
        ("[less(1, 'a')]", "two whole numbers or two strings"),
        ("[int('1_0')]", "not the text of a whole number"),
        ("[concat(createArray(1), 'a')]", "argument 1 is an array"),
        ("[createObject('a')]", "in pairs"),
        ("[map(createArray(1), 'x')]", "must be a lambda"),
        ("[lambda('x', 1)]", "can only be an argument"),
        ("[copyIndex()]", "no copy loop around"),
        ("[dateTimeAdd('2020-01-01', 'P99999Y')]", "duration"),
        ("[dateTimeAdd('2020-01-01', 'P9999Y')]", "outside the years"),
        ("[dateTimeAdd('2020-01-01', 'P')]", "duration"),
        ("[dateTimeAdd('soon', 'P1D')]", "not an ISO 8601 date"),
        ("[dateTimeAdd('2020-01-01', 'P1D', replace('xxxxxxxxxxx', 'x', 'yyyyyyyyyy'))]", "at most 100 characters"),
        ("[dateTimeFromEpoch(999999999999999)]", "outside the years"),
        ("[dataUriToString('x')]", "is not a data URI"),
        ("[dataUriToString('data:,%ff')]", "UTF-8"),
        ("[not('x')]", "argument 1 must be a bool; it is a string"),
        ("[if('x', 1, 2)]", "argument 1 must be a bool"),
        ("[join('x', ',')]", "must be an array; it is a string"),
        ("[items('x')]", "must be an object"),
        ("[max('x')]", "takes whole numbers"),
        ("[min(createArray())]", "takes whole numbers"),
        ("[empty(1)]", "an array, an object or a string; it is a number"),
        ("[length(1)]", "an array, an object or a string"),
        ("[contains(1, 1)]", "an array, an object or a string"),
        ("[first(1)]", "an array or a string"),
        ("[shallowMerge(createArray(1))]", "an array of objects"),
        ("[indexFromEnd(createArray(1), 2)]", "item 2 from its end is not there"),
        ("[int(createArray())]", "a string or a number; it is an array"),
        ("[float(null())]", "a string or a number; it is null"),
        ("[float('nan')]", "not a number that JSON has"),
        ("[format('{0:D}', 'a')]", "needs a whole number; it was given a string"),
        ("[padLeft('x', 5, 'ab')]", "must be one character"),
        ("[padLeft(true(), 5)]", "a string or a whole number"),
        ("[replace('a', '', 'b')]", "must not be empty"),
        ("[split('a', createArray(''))]", "none of them empty"),
        ("[uri('http://[', 'x')]", "do not make a URI"),
        ("[map('x', lambda('x', 1))]", "argument 1 must be an array"),
        ("[map(createArray(1), lambda(1))]", "1 or 2 named variables"),
        ("[filter(createArray(1), lambda('x', 1))]", "must give a bool; it gave a number"),
        ("[groupBy(createArray(1), lambda('x', 1))]", "must give a string; it gave a number"),
        ("[mapValues(createArray(), lambda('x', 1))]", "argument 1 must be an object"),
        ("[map(createArray(1), lambda('x', lambdaVariables('y')))]", "no lambda variable 'y'"),
        ("[parameters(1)]", "argument 1 must be a string; it is a number"),
        ("[reference('b')]", "'b' is not defined in the template"),
        ("[reference('/x/y')]", "the api-version must be given"),
        ("[reference('/x/y', '2026-01-01', 'Half')]", "can only be 'Full'"),
        ("[listKeys('/x/y', '2026-01-01', 'x')]", "argument 3 must be an object"),
        ("[resourceId(createArray(1), 'a')]", "argument 1 must be a string; it is an array"),
        ("[tenantResourceId('a', 'b')]", "is not a resource type"),
        ("[copyIndex('a', 'b')]", "the name of a loop, an offset, or both"),
    ],
)
def test_a_function_refuses_what_it_cannot_take(expression: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        value(expression)


def test_ids_in_a_deployment_to_a_subscription_are_those_of_the_subscription() -> None:
    facts = replace(FACTS, target=f"/subscriptions/{SUBSCRIPTION}", group=None)
    for arguments, means in (("", f"/subscriptions/{SUBSCRIPTION}"), ("'s2', ", "/subscriptions/s2")):
        raw = template(outputs={"o": {"type": "string", "value": f"[resourceId({arguments}'Microsoft.X/a', 'n')]"}})
        found = plan(raw, facts=facts)
        assert shown_output(found.world, found.world.template.outputs[0]) == {
            "type": "String",
            "value": f"{means}/providers/Microsoft.X/a/n",
        }


def test_what_is_fresh_can_only_stand_in_defaults() -> None:
    found = plan(template())
    with pytest.raises(Invalid, match="can only stand in the default value"):
        Evaluation(found.world).whole("[newGuid()]", "here")


def test_a_fault_does_not_repeat_the_value_that_was_wrong() -> None:
    sections = {"parameters": {"secret": {"type": "securestring", "defaultValue": "hunter2"}}}
    for name in ("int", "bool", "json", "base64ToString", "dateTimeToEpoch", "float"):
        with pytest.raises(Invalid) as caught:
            value(f"[{name}(parameters('secret'))]", **sections)
        assert "hunter2" not in caught.value.message
