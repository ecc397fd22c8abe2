"""docs/broken-nodes.md has a row of each broken node that the tests make, and of no other."""

import headlines
import test_broken_machines as machines
import test_broken_nodes as nodes


def test_the_document_has_a_row_of_each_broken_node_and_no_other() -> None:
    assert sorted(headlines.rows()) == sorted([*nodes.NAMES, *machines.NAMES])
