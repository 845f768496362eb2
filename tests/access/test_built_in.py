from studiolo.kernel.access.built_in import built_in_roles, find_built_in_role
from studiolo.kernel.access.conditions import check_condition


def test_the_built_in_roles_are_there_by_id_and_by_name() -> None:
    assert len(built_in_roles()) == 38
    owner = find_built_in_role("owner")
    assert owner is not None
    assert owner.permissions[0].actions == ("*",)
    assert find_built_in_role(owner.id.upper()) is owner
    assert find_built_in_role("Nobody") is None


def test_the_conditions_of_built_in_roles_may_be_written() -> None:
    conditions = [block.condition for role in built_in_roles().values() for block in role.permissions if block.condition]
    assert len(conditions) == 2
    for text in conditions:
        check_condition(text)
