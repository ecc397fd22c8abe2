"""What cannot be written is told and tried again; the rest is written."""

from network.values import PRIMARY_MAC, target

from agent.errors import FailedError
from agent.model import FileSpec
from agent.network.memory import begin
from agent.network.outputs import Doors, Outputs
from agent.network.publication import Publication
from agent.network.records import Node, Record
from agent.network.report import Report
from agent.network.settings import Settings

ONE = target()
NODE = Node(PRIMARY_MAC, {ONE.mac: Record(begin(ONE.interface.eni, 0.0), state="ready")})
SAID = Report("ok", "all is well", {})


class Disk:
    """Takes what is written, unless it is full."""

    def __init__(self) -> None:
        self.full = False
        self.written: list[object] = []

    def write(self, what: FileSpec | Report | None) -> bool:
        if self.full:
            raise FailedError("the disk is full", hint="free space")
        self.written.append(what)
        return True


def test_what_cannot_be_written_is_tried_again() -> None:
    disk = Disk()
    outputs = Outputs(Publication(None, "boot", "/run/enis.json"), Doors(disk.write, disk.write, disk.write))
    disk.full = True
    outputs.publish(NODE, [ONE], Settings(pod_subnet_mode=True), read_only=False)
    outputs.tell(SAID)
    assert set(outputs.troubles) == {"the disk is full"}
    assert disk.written == []
    disk.full = False
    outputs.again(read_only=True)
    assert [type(each) for each in disk.written] == [FileSpec, Report]
    assert outputs.report == SAID
    assert outputs.troubles == ("the disk is full",), "of the configuration nothing is known"
    outputs.again(read_only=False)
    assert outputs.troubles == ()
