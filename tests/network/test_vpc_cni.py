"""Where the VPC CNI's daemon runs the node is its own, also while it is replaced."""

from agent.network.vpc_cni import AWAY, VpcCni


def test_a_node_is_its_own_until_it_is_away_for_long() -> None:
    answers = [False]
    peer = VpcCni(lambda: answers[0])
    assert not peer.is_here(0.0)
    answers[0] = True
    assert peer.is_here(5.0)
    answers[0] = False
    assert peer.is_here(5.0 + AWAY - 0.1)
    assert not peer.is_here(5.0 + AWAY)
