"""Our place on the subnet, and when something is said about it."""

from __future__ import annotations

from typing import Any

import structlog
from peers import MINER, neuron

from subnet17.mining.chain import ChainFacts, Neuron
from subnet17.mining.seat import REPEAT_S, Seat, SeatWatch, seat_of

US = MINER.ss58_address
FACTS = ChainFacts(block=100_000, immunity_blocks=5000, max_neurons=4)


def peer(uid: int, score: float | None, *, block: int = 10, hotkey: str = "") -> Neuron:
    changes = {"hotkey": hotkey or f"5{uid}", "uid": uid, "pruning_score": score, "registered_block": block}
    return neuron().model_copy(update=changes)


def seat(*others: Neuron, score: float | None = 0.5, block: int = 10, **facts: Any) -> Seat:
    own = peer(9, score, block=block, hotkey=US)
    return seat_of((*others, own), FACTS.model_copy(update=facts), hotkey=US, registered=True)


def test_those_with_less_and_the_earlier_registered_among_equals_go_before_us() -> None:
    others = (peer(1, 0.1), peer(2, 0.5, block=9), peer(3, 0.5, block=11), peer(4, 0.9), peer(5, 0.5))
    assert seat(*others).before_us == 3  # 1, 2, and 5 by its lower uid
    assert seat(*others, score=0.0).before_us == 0


def test_immune_neurons_do_not_stand_between_us_and_the_door() -> None:
    assert seat(peer(1, 0.1, block=99_000), peer(2, 0.1)).before_us == 1


def test_what_is_left_of_the_immunity_is_counted_in_blocks() -> None:
    assert seat(block=97_000).immune_blocks == 2000
    assert seat(block=95_000).immune_blocks == 0
    assert seat(block=97_000, immunity_blocks=None).immune_blocks is None


def test_there_is_no_danger_while_places_are_free_or_enough_others_go_first() -> None:
    assert seat(*(peer(i, 0.1) for i in range(3))).danger
    assert not seat(peer(1, 0.1)).danger  # two of four places are taken
    assert not seat(*(peer(100 + i, 0.1) for i in range(10))).danger


def test_immunity_is_no_danger_until_its_last_day() -> None:
    others = [peer(i, 0.1) for i in range(3)]
    assert not seat(*others, block=99_999, immunity_blocks=8000).danger
    assert "immunity ends in 6.7 h" in seat(*others, block=97_000).danger


def test_what_the_chain_does_not_tell_is_not_made_up() -> None:
    unknown = seat_of((peer(1, None), peer(9, None, hotkey=US)), ChainFacts(), hotkey=US, registered=True)
    assert (unknown.before_us, unknown.immune_blocks, unknown.free, unknown.danger) == (None, None, None, "")
    assert seat_of((peer(1, 0.1),), FACTS, hotkey=US, registered=False) == Seat(False)


def events(*seats: tuple[Seat, float]) -> list[tuple[str, str]]:
    watch = SeatWatch(hint="btcli subnet register --netuid 17")
    with structlog.testing.capture_logs() as lines:
        for each, now_s in seats:
            watch.update(each, now_s=now_s)
    return [(line["log_level"], line["event"].split(":")[0]) for line in lines]


def test_losing_the_place_is_an_error_with_the_way_back_and_is_told_again_each_hour() -> None:
    hours = [(Seat(False), 1.0 + n * REPEAT_S / 2) for n in range(5)]
    assert events((Seat(True, uid=3), 0.0), *hours, (Seat(True, uid=4), 9e9)) == [
        ("info", "registered"),
        *[("error", "DEREGISTERED")] * 3,
        ("info", "registered"),
    ]


def test_starting_without_a_place_is_an_error() -> None:
    assert events((Seat(False), 0.0), (Seat(False), 1.0)) == [("error", "NOT REGISTERED on the subnet")]


def test_a_chain_that_cannot_tell_is_no_deregistration() -> None:
    assert events((Seat(True, uid=3), 0.0), (Seat(None), 1.0)) == [("info", "registered")]


def test_a_danger_is_told_again_after_an_hour_and_when_it_is_over() -> None:
    risky, safe = Seat(True, uid=3, immune_blocks=0, before_us=2, free=0), Seat(True, uid=3, before_us=99)
    told = events((safe, 0.0), (risky, 1.0), (risky, 2.0), (risky, 1.0 + REPEAT_S), (safe, 9e9), (safe, 9e9))
    assert told[1:] == [
        ("error", "our place on the subnet is in danger"),
        ("error", "our place on the subnet is in danger"),
        ("info", "our place on the subnet is safe again"),
    ]
