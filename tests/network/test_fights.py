"""An object that is changed back again and again is repaired seldom, until it is left alone."""

from agent.network.fights import PAUSE, PEACE, REPAIRS, Fights


def repaired(*times: float, what: object = "put") -> Fights:
    fights = Fights()
    for now in times:
        fights = fights.noted({"rule": what}, now)
    return fights


def test_four_repairs_are_no_fight_and_five_are() -> None:
    assert not repaired(0, 1, 2, 3).fought
    assert repaired(0, 1, 2, 3, 4).fought == {"rule"}
    assert not repaired(0, 3, 6, 9, 12).fought, "not within the window"


def test_what_is_fought_over_is_repaired_after_a_pause() -> None:
    fights = repaired(0, 1, 2, 3, 4)
    assert not fights.allows("rule", 4.0 + PAUSE - 0.1)
    assert fights.allows("rule", 4.0 + PAUSE)
    assert fights.allows("another", 4.1)
    assert fights.noted({"rule": "put"}, 14.0).fought, "one repair after the pause does not end it"


def test_peace_ends_it() -> None:
    fights = repaired(0, 1, 2, 3, 4)
    assert fights.noted({}, 4.0 + PEACE - 0.1).fought
    assert fights.noted({}, 4.0 + PEACE) == Fights()


def test_to_do_and_undo_something_is_no_fight() -> None:
    fights = Fights()
    for now in range(8):
        fights = fights.noted({"rule": "add" if now % 2 else "remove"}, float(now))
    assert not fights.fought


def test_a_sysctl_that_is_found_wrong_by_every_look_is_fought_over() -> None:
    fights, sysctl = Fights(), "net.ipv6.conf.eth1.accept_ra"
    for look in range(REPAIRS):
        assert not fights.fought
        fights = fights.noted({sysctl: "0"}, 5.2 * look)
    assert fights.fought == {sysctl}
