"""Backstage's catalog: who is who, who calls whom, and what is never fetched."""

import pytest

from debtreg.formats import backstage
from debtreg.formats.backstage import Ref, ref_of
from debtreg.formats.documents import NotReadable
from tests.formats.samples import read, said


def entity(kind, name, namespace="", **spec):
    more = {"namespace": namespace} if namespace else {}
    owner = {} if kind == "Group" else {"owner": "payments"}
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, **more},
        "spec": {**owner, **spec},
    }


def edges(*values):
    contents = read(*values)
    return {(each.consumer, each.provider, each.via) for each in contents.dependencies}


@pytest.mark.parametrize(
    ("text", "kind", "ref"),
    [
        ("ledger", "component", Ref("component", "default", "ledger")),
        ("Component:Ledger", "", Ref("component", "default", "ledger")),
        ("resource:infra/DB-1", "", Ref("resource", "infra", "db-1")),
        ("infra/db", "api", Ref("api", "infra", "db")),
        ({"kind": "API", "name": "Users"}, "", Ref("api", "default", "users")),
        ("ledger", "", None),
        ("a:b:c", "", None),
        ("", "api", None),
        (None, "api", None),
        (["x"], "api", None),
    ],
)
def test_references_have_a_kind_a_namespace_and_a_name_in_any_case(text, kind, ref):
    assert ref_of(text, kind) == ref


def test_components_and_resources_are_services_of_the_group_that_owns_them():
    contents = read(
        entity("Component", "Payment-Service", owner="group:default/Payments"),
        entity("Resource", "payments-db"),
        entity("Group", "payments", profile={"displayName": "支付组"}),
        entity("System", "pay"),
        entity("API", "pay-api"),
    )

    assert contents.findings == []
    assert [(each.slug, each.team) for each in contents.services] == [
        ("payment-service", "payments"),
        ("payments-db", "payments"),
    ]
    assert [(each.slug, each.name) for each in contents.teams] == [("payments", "支付组")]
    assert {each.kind for each in contents.kept} == {
        "Component",
        "Resource",
        "Group",
        "System",
        "API",
    }


def test_what_another_namespace_has_is_called_by_it():
    contents = read(entity("Component", "web.v2", namespace="shop"))

    assert contents.services[0].slug == "shop-web-v2"
    assert contents.kept[0].name == "shop/web.v2"


def test_what_a_component_depends_on_it_calls():
    assert edges(
        entity("Component", "web", dependsOn=["component:ledger", "Resource:default/DB"]),
        entity("Resource", "db", dependencyOf=["component:batch"]),
    ) == {("web", "ledger", ""), ("web", "db", ""), ("batch", "db", "")}


def test_a_relation_without_a_kind_is_reported_because_none_is_meant():
    contents = read(entity("Component", "web", dependsOn=["ledger"]))

    assert contents.dependencies == []
    assert "component:name" in said(contents, "warning")["spec.dependsOn[0]"]


def test_who_consumes_an_api_calls_who_provides_it():
    values = [
        entity("Component", "payment-service", consumesApis=["user-profile-api"]),
        entity("Component", "profiles", providesApis=["API:Default/User-Profile-API"]),
        entity("API", "user-profile-api"),
    ]

    assert edges(*values) == {("payment-service", "profiles", "user-profile-api")}
    names = {each.slug: each.aliases for each in read(*values).services}
    assert names["profiles"] == ("user-profile-api",)


def test_an_api_of_several_providers_is_an_edge_to_each_and_nobodys_other_name():
    values = [
        entity("Component", "web", consumesApis=["users"]),
        entity("Component", "a", providesApis=["users"]),
        entity("Component", "b", providesApis=["users"]),
    ]

    assert edges(*values) == {("web", "a", "users"), ("web", "b", "users")}
    assert [each.aliases for each in read(*values).services] == [(), (), ()]


def test_an_api_that_nobody_in_the_file_provides_may_be_a_service_of_the_catalog():
    assert edges(entity("Component", "web", consumesApis=["users"])) == {("web", "users", "users")}


def test_who_provides_what_it_consumes_depends_on_nobody():
    contents = read(entity("Component", "web", consumesApis=["w"], providesApis=["w"]))

    assert contents.dependencies == []
    assert "itself" in said(contents, "note")["spec.consumesApis[0]"]


def test_an_owner_that_is_a_person_is_no_team():
    contents = read(entity("Component", "web", owner="user:jane"))

    assert contents.services[0].team == ""
    assert "no group" in said(contents, "warning")["spec.owner"]


@pytest.mark.parametrize("name", ["$text", "$json", "$yaml", "$openapi"])
def test_includes_are_kept_and_never_fetched(name):
    address = "http://169.254.169.254/latest/meta-data"
    contents = read(entity("API", "users", definition={name: address}))

    assert "not fetched" in said(contents, "note")[f"spec.definition.{name}"]
    assert contents.kept[0].value["spec"]["definition"] == {name: address}


def test_locations_are_not_followed():
    contents = read(entity("Location", "all", targets=["https://example.org/catalog-info.yaml"]))

    assert "not fetched" in said(contents, "note")["spec.targets"]


@pytest.mark.parametrize(
    "line", ["  name: ${{ values.name }}", "{%- if values.x %}", "  owner: ${{values.owner}}"]
)
def test_a_skeleton_is_refused_before_it_is_parsed(line):
    text = f"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n{line}\n"

    with pytest.raises(NotReadable, match="Line 4: this is a skeleton") as refused:
        read(text)
    assert "catalog-info.yaml that was made of it" in refused.value.hint


def test_what_backstage_works_out_is_not_read():
    value = entity("Component", "web") | {"relations": [{"type": "x"}], "status": {"items": [1]}}
    contents = read(value)

    assert said(contents, "note").keys() == {"relations", "status"}
    assert not contents.kept[0].value.keys() & {"relations", "status"}


@pytest.mark.parametrize(
    "broken",
    [
        {"metadata": {}},
        {"metadata": {"name": "a/b"}},
        {"metadata": {"name": "组"}},
        {"kind": ""},
        {"kind": None},
    ],
)
def test_an_entity_that_can_not_be_referred_to_is_an_error(broken):
    contents = read(entity("Component", "web") | broken)

    assert contents.services == []
    assert said(contents, "error")


@pytest.mark.parametrize(
    "spec",
    [
        {"dependsOn": 3},
        {"dependsOn": {"a": 1}},
        {"dependsOn": [None, 3, {}]},
        {"consumesApis": [["x"]]},
        {"owner": {"a": 1}},
        {"providesApis": "users"},
    ],
)
def test_relations_that_nobody_expects_do_no_harm(spec):
    contents = read(entity("Component", "web", **spec))

    assert len(contents.services) == 1


def test_the_last_of_two_with_one_name_counts():
    contents = read(entity("Component", "web", owner="a"), entity("Component", "WEB", owner="b"))

    assert [each.team for each in contents.services] == ["b"]
    assert "stands here twice" in said(contents, "warning")["metadata.name"]


def test_the_format_is_recognised_by_the_first_object():
    assert read(entity("Group", "a")).source_format == backstage.FORMAT
    with pytest.raises(NotReadable, match="format this is can't be told"):
        read({"a": 1})
    with pytest.raises(NotReadable, match="nothing in it"):
        read("")
