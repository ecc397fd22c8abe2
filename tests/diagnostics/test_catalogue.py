import json

from agent.diagnostics import catalogue
from agent.diagnostics.api import CATEGORIES
from agent.outputs import Commands, EachMount, Keep


def test_categories_are_isolated_and_in_order() -> None:
    names = [output.category for output in catalogue.select(("System", "Base"))]
    assert set(names) == {"Base", "System"}
    assert names == sorted(names)
    assert {output.category for output in catalogue.select(("Device",))} == {"Device"}
    assert catalogue.select(()) == []


def test_an_output_of_two_categories_is_taken_once() -> None:
    everything = catalogue.select(CATEGORIES)
    keys = [(output.path, str(output.source)) for output in everything]
    assert len(keys) == len(set(keys))
    assert len(everything) < len(catalogue.OUTPUTS)


def test_the_peers_paths_are_kept() -> None:
    paths = {output.path for output in catalogue.OUTPUTS}
    assert paths >= {
        "system/instance-id.txt",
        "storage/mounts.txt",
        "kernel/dmesg.human.current",
        "system/ps-threads.txt",
        "sysctls/sysctl_all.txt",
        "automode/coredns.txt",
        "kubelet/kubelet.log",
    }


def test_journals_keep_their_end() -> None:
    journals = [each for each in catalogue.OUTPUTS if str(each.source).startswith("journalctl")]
    assert journals
    assert {output.keep for output in journals} == {Keep.TAIL}


def test_every_command_has_a_time_limit_and_no_shell() -> None:
    for output in catalogue.OUTPUTS:
        if isinstance(output.source, Commands | EachMount):
            assert 0 < output.source.timeout <= 60
            assert {argv[0] for argv in output.source.argvs}.isdisjoint({"sh", "bash"})


def test_the_catalogue_is_printed_for_people_and_for_programs() -> None:
    rows = json.loads(catalogue.as_json())["outputs"]
    assert [row["path"] for row in rows] == [output.path for output in catalogue.OUTPUTS]
    assert "  storage/mounts.txt " in catalogue.as_text()
    assert catalogue.as_text().startswith("Base\n")
