import pytest
from hypothesis import given
from hypothesis import strategies as st

from studiolo.kernel.access.scopes import Hierarchy, prefixes, scope_key
from studiolo.kernel.faults import Invalid

ACCOUNT = "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Storage/storageAccounts/sa"


def test_case_and_one_slash_at_the_end_do_not_count() -> None:
    assert scope_key("/SUBSCRIPTIONS/S1/resourcegroups/RG1/") == "/subscriptions/s1/resourcegroups/rg1"
    assert scope_key("/") == "/"


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "//",
        "subscriptions/s1",
        "/subscriptions/s1//",
        "/subscriptions//rg",
        "/subscriptions/./rg",
        "/subscriptions/s1/..",
        "/subscriptions/s1/../s2",
        "/subscriptions/s1%2f",
        "/subscriptions/s1\\x",
        "/subscriptions/s1\n",
        "/subscriptions/s\x00",
        "/subscriptions/\u212a1",
        "/subscriptions/s1\u2028",
    ],
)
def test_a_scope_that_two_readers_could_read_differently_is_refused(scope: str) -> None:
    with pytest.raises(Invalid) as refused:
        scope_key(scope)
    assert refused.value.code == "InvalidScope"


def test_the_refusal_says_which_character_is_wrong() -> None:
    with pytest.raises(Invalid, match="'%' at position 5"):
        scope_key("/sub%2f")


@given(st.text(alphabet="/.aB%\\\u00e9 \n", max_size=12))
def test_a_key_is_its_own_key_and_holds_no_odd_segment(scope: str) -> None:
    try:
        key = scope_key(scope)
    except Invalid:
        return
    assert scope_key(key) == key
    assert key == "/" or not {"", ".", ".."} & set(key[1:].split("/"))


def test_prefixes_end_at_segments() -> None:
    assert prefixes("/a/bc/d") == ["/a/bc/d", "/a/bc", "/a"]
    assert prefixes("/") == []


def test_the_chain_leads_from_the_scope_over_its_management_groups_to_the_root() -> None:
    tree = Hierarchy({"mga": "Root"}, {"S1": "mga"})
    chain = tree.chain(scope_key(ACCOUNT))
    assert chain[0] == scope_key(ACCOUNT)
    assert chain[-4:] == (
        "/subscriptions",
        "/providers/microsoft.management/managementgroups/mga",
        "/providers/microsoft.management/managementgroups/root",
        "/",
    )
    assert "/subscriptions/s1/resourcegroups/rg1" in chain


def test_a_management_groups_chain_holds_its_parents_but_no_sibling() -> None:
    tree = Hierarchy({"a": "root", "b": "root"})
    chain = tree.chain(scope_key("/providers/Microsoft.Management/managementGroups/A"))
    assert "/providers/microsoft.management/managementgroups/root" in chain
    assert "/providers/microsoft.management/managementgroups/b" not in chain


def test_management_groups_in_a_circle_end() -> None:
    assert len(Hierarchy({"a": "b", "b": "a"}, {"s1": "a"}).chain("/subscriptions/s1")) == 5


def test_an_extra_parent_joins_the_chain_of_a_scope_and_of_what_lies_below_but_not_with_its_own_parents() -> None:
    tree = Hierarchy(extra_parents={"/subscriptions/s1/p": ("/subscriptions/s2/Hub",)})
    assert "/subscriptions/s2/hub" in tree.chain("/subscriptions/s1/p/child")
    assert "/subscriptions/s2" not in tree.chain("/subscriptions/s1/p/child")
    assert "/subscriptions/s2/hub" not in tree.chain("/subscriptions/s1")


def test_the_root_is_in_every_chain_once() -> None:
    assert Hierarchy(extra_parents={"/a": ("/",)}).chain("/a") == ("/a", "/")
    assert Hierarchy().chain("/") == ("/",)


def test_heirs_and_chains_tell_the_same_story() -> None:
    tree = Hierarchy({"a": "root", "b": "a"}, {"s1": "b", "s2": "a"}, {"/subscriptions/s2/p": ("/subscriptions/s1/hub",)})
    scopes = [
        "/",
        "/subscriptions/s1",
        "/subscriptions/s1/hub",
        "/subscriptions/s1/hub/x",
        "/subscriptions/s10",
        "/subscriptions/s2",
        "/subscriptions/s2/p/q",
        *(f"/providers/microsoft.management/managementgroups/{name}" for name in ("root", "a", "b", "c")),
    ]
    for scope in scopes:
        for above in scopes:
            is_prefixed = any(heir in [*prefixes(scope), "/"] for heir in tree.heirs(above))
            assert (above in tree.chain(scope)) == is_prefixed, (above, scope)


def test_the_way_names_the_heir() -> None:
    tree = Hierarchy({"a": "root"}, {"s1": "a"}, {"/subscriptions/s1/p": ("/subscriptions/s2/hub",)})
    key = "/subscriptions/s1/p/x"
    assert tree.way(key, key) == "the scope itself"
    assert tree.way(key, "/") == tree.way(key, "/subscriptions/s1") == "a scope above it"
    assert tree.way(key, "/providers/microsoft.management/managementgroups/root") == "a management group above it"
    assert tree.way(key, "/subscriptions/s2/hub") == "a scope whose roles '/subscriptions/s1/p' inherits"


def test_a_chain_names_each_scope_once() -> None:
    tree = Hierarchy(extra_parents={"/a/b": ["/a", "/hub"], "/a": ["/hub"]})
    assert tree.chain("/a/b/c") == ("/a/b/c", "/a/b", "/a", "/hub", "/")


def test_what_holds_at_a_management_group_by_its_path_alone_does_not_hold_for_its_subscriptions() -> None:
    tree = Hierarchy({"mga": "root"}, {"s1": "mga"})
    groups = "/providers/microsoft.management/managementgroups"
    assert tree.inherited(f"{groups}/mga") == {f"{groups}/mga", f"{groups}/root", "/"}
    assert tree.inherited("/subscriptions/s1") == {"/subscriptions/s1", "/subscriptions", f"{groups}/mga", f"{groups}/root", "/"}
    below = f"{groups}/mga/providers/a.b/locks/l"
    assert tree.inherited(below) == set(tree.chain(below))


@pytest.mark.parametrize(
    ("scope", "complaint"),
    [
        ("a", "must begin with"),
        ("/a//b", "scope: it holds an empty"),
        ("/a/../b", "scope: it holds an empty"),
        ("/a%b", "'%' at position 3"),
        ("/\u00e9", "at position 2"),
    ],
)
def test_a_refused_scope_is_told_why(scope: str, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        scope_key(scope)


def test_the_path_names_what_one_passes_on_the_way_up_and_nothing_beyond() -> None:
    groups = "/providers/microsoft.management/managementgroups"
    tree = Hierarchy({"mga": "root"}, {"s1": "mga"}, {"/subscriptions/s1/p": ("/subscriptions/s2/Hub",)})
    key, project, sub = "/subscriptions/s1/p/x", "/subscriptions/s1/p", "/subscriptions/s1"
    assert tree.path(key, key) == (key,)
    assert tree.path(key, sub) == (key, project, sub)
    assert tree.path(key, "/") == (key, project, sub, "/subscriptions", "/")
    assert tree.path(key, f"{groups}/mga") == (key, project, sub, "/subscriptions", f"{groups}/mga")
    assert tree.path(key, f"{groups}/root") == (key, project, sub, "/subscriptions", f"{groups}/mga", f"{groups}/root")
    assert tree.path(key, "/subscriptions/s2/hub") == (key, project, "/subscriptions/s2/hub")
    assert tree.extra_parents(project) == ("/subscriptions/s2/hub",)
    assert tree.extra_parents(key) == ()


def test_what_lies_below_a_management_group_by_its_path_has_the_groups_above_it_in_its_chain() -> None:
    groups = "/providers/microsoft.management/managementgroups"
    tree = Hierarchy({"mga": "mgb", "mgb": "root"}, {"s1": "mga"})
    above = (f"{groups}/mga", groups, "/providers/microsoft.management", "/providers", f"{groups}/mgb", f"{groups}/root", "/")
    assert tree.chain(f"{groups}/mga/x") == (f"{groups}/mga/x", *above)
    assert tree.chain(f"{groups}/mga") == above
    assert tree.chain(groups) == (groups, "/providers/microsoft.management", "/providers", "/")
    assert tree.chain("/subscriptions") == ("/subscriptions", "/")
    assert tree.chain("/subscriptions/s9/x") == ("/subscriptions/s9/x", "/subscriptions/s9", "/subscriptions", "/")


def test_a_changed_tree_says_what_was_moved_and_leaves_the_rest() -> None:
    hub, project = "/subscriptions/s1/rg/hub", "/subscriptions/s2/rg/p"
    tree = Hierarchy({"mga": "root", "low": "mga", "mgb": "root"}, {"s1": "low", "s2": "mgb"}, {project: [hub, "/subscriptions/s3"]})
    group = "/providers/microsoft.management/managementgroups/{}".format
    after = tree.changed({"MGA": "mgb"}, {"S2": None}, {hub.upper(): [], "/subscriptions/s4": [project.upper()]})
    assert after.chain("/subscriptions/s1")[2:] == (group("low"), group("mga"), group("mgb"), group("root"), "/")
    assert after.chain("/subscriptions/s2") == ("/subscriptions/s2", "/subscriptions", "/")
    assert after.extra_parents(project) == ("/subscriptions/s3", "/subscriptions/s4")
    assert tree.changed({}, {}, {}).differing(tree) == tree.differing(tree) == {}
    assert (
        tree.differing(after)
        == after.differing(tree)
        == {
            group("mga"): {group("mgb")},
            group("low"): {group("mgb")},
            "/subscriptions/s1": {group("mgb")},
            "/subscriptions/s2": {group("mgb"), group("root")},
            project: {hub, "/subscriptions/s4"},
        }
    )
    assert tree.changed({"mga": None}, {}, {}).chain(group("low"))[1:3] == (
        group("low").rpartition("/")[0],
        "/providers/microsoft.management",
    )
