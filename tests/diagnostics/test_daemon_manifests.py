import yaml

from agent import manifests
from agent.announce import daemon as announce
from agent.diagnostics import serving


def test_the_stream_holds_each_object_once_with_the_definition_first() -> None:
    objects = list(yaml.safe_load_all(manifests.render()))
    assert [body["kind"] for body in objects] == [
        "CustomResourceDefinition",
        *["ClusterRole", "ClusterRoleBinding"] * 3,
    ]
    names = [(body["kind"], body["metadata"]["name"]) for body in objects]
    assert len(names) == len(set(names))


def test_a_node_may_be_the_components_and_nobody_else() -> None:
    roles = [body for body in yaml.safe_load_all(manifests.render()) if body["kind"] == "ClusterRole"]
    rules = [rule for role in roles for rule in role["rules"] if "impersonate" in rule["verbs"]]
    assert [(rule["resources"], rule["resourceNames"]) for rule in rules] == [
        (["users"], [serving.USER, announce.USER])
    ]
