"""When a measure is told: once, after a while, and not again until it is over or an hour has passed."""

from __future__ import annotations

import pytest

from subnet17.errors import ConfigError
from subnet17.ops.limits import Limit, Limits, Relief, limits_of
from subnet17.ops.resources import Measure
from subnet17.settings import OperationsTable, load_settings

HOT = Limit("GPU is hot", "gpu_temperature_deg_c", most=80, relief=Relief.LESS_AT_ONCE)
FULL = Limit("disk is full", "disk_free_bytes", least=100, relief=Relief.NO_NEW_TASKS)


class Looks:
    """Feeds one measure after the other, ten seconds apart."""

    def __init__(self, *limits: Limit, hold_s: float = 20, repeat_s: float = 1000) -> None:
        self.limits = Limits(limits, hold_s=hold_s, repeat_s=repeat_s)
        self.now_s = 0.0

    def see(self, name: str, *values: float | None, subject: str = "") -> list[str]:
        told: list[str] = []
        for value in values:
            told += [a.event for a in self.limits.judge([Measure(name, subject, value)], self.now_s)]
            self.now_s += 10
        return told


def test_a_short_peak_is_not_told() -> None:
    looks = Looks(HOT)
    assert looks.see("gpu_temperature_deg_c", 85, 85, 79, 85, 85, 79) == []
    assert looks.limits.relief is Relief.NONE


def test_a_lasting_one_is_told_once_and_asks_for_relief() -> None:
    looks = Looks(HOT)
    assert looks.see("gpu_temperature_deg_c", *[85] * 20) == ["raised"]
    assert looks.limits.relief is Relief.LESS_AT_ONCE


def test_a_swing_around_the_limit_is_one_alert() -> None:
    looks = Looks(HOT)
    assert looks.see("gpu_temperature_deg_c", 85, 85, 85, *[79, 81] * 40) == ["raised"]


def test_it_is_over_once_the_distance_has_been_kept_for_a_while() -> None:
    looks = Looks(HOT)
    looks.see("gpu_temperature_deg_c", 85, 85, 85)
    assert looks.see("gpu_temperature_deg_c", 75, 75, 77, 75, 75, 75) == ["over"]
    assert looks.limits.relief is Relief.NONE
    assert looks.limits.standing(looks.now_s) == []


def test_one_that_stands_is_told_again_at_intervals() -> None:
    looks = Looks(HOT, repeat_s=100)
    assert looks.see("gpu_temperature_deg_c", *[85] * 24) == ["raised", "repeated", "repeated"]


def test_what_could_not_be_measured_changes_nothing() -> None:
    looks = Looks(FULL)
    looks.see("disk_free_bytes", 50, 50, 50)
    assert looks.see("disk_free_bytes", None, None, None, None) == []
    assert looks.limits.relief is Relief.NO_NEW_TASKS


def test_an_alert_about_what_is_gone_ends() -> None:
    looks = Looks(HOT, FULL)
    looks.see("gpu_temperature_deg_c", 85, 85, 85, subject="GPU 0")
    assert looks.limits.relief is Relief.LESS_AT_ONCE
    assert looks.see("disk_free_bytes", *[500] * 6) == []
    (alert,) = looks.limits.judge([Measure("disk_free_bytes", "", 500)], looks.now_s)
    assert alert.event == "over"
    assert alert.message.endswith("gpu_temperature_deg_c is not measured any more")
    assert alert.as_json()["value"] is None
    assert looks.limits.relief is Relief.NONE


def test_each_gpu_is_judged_by_itself_and_the_strongest_relief_counts() -> None:
    looks = Looks(HOT, FULL, hold_s=0)
    assert looks.see("gpu_temperature_deg_c", 85, subject="GPU 0") == ["raised"]
    assert looks.see("gpu_temperature_deg_c", 60, subject="GPU 1") == []
    assert looks.see("disk_free_bytes", 10) == ["raised"]
    assert looks.limits.relief is Relief.NO_NEW_TASKS
    assert looks.see("gpu_temperature_deg_c", 60, subject="GPU 0") == ["over"]
    assert looks.see("disk_free_bytes", 1000) == ["over"]


def test_a_message_names_what_was_measured_where_and_the_limit() -> None:
    limits = Limits([Limit("disk is full", "disk_free_bytes", least=10e9)], hold_s=0, repeat_s=9)
    [alert] = limits.judge([Measure("disk_free_bytes", "/data", 9.5e9)], 0.0)
    assert alert.message == "disk is full on /data: disk_free_bytes is 9.5 GB, limit 10 GB"


@pytest.mark.parametrize(
    ("name", "calm", "bad"),
    [
        ("disk_free_bytes", 50e9, 9e9),
        ("memory_percent", 50, 99),
        ("cpu_percent", 50, 100),
        ("vram_percent", 50, 99),
        ("gpu_temperature_deg_c", 60, 95),
        ("gpus_lost", 0, 1),
        ("gpu_power_w", 300, 500),
        ("clock_skew_s", 0.1, 3),
        ("network_reachable", 1, 0),
    ],
)
def test_every_measure_has_a_limit_that_can_be_passed_and_kept(name: str, calm: float, bad: float) -> None:
    limits = Limits(limits_of(OperationsTable(max_gpu_power_w=450)), hold_s=0, repeat_s=1e9)
    assert limits.judge([Measure(name, "", calm)], 0) == []
    raised = limits.judge([Measure(name, "", bad)], 1)
    assert raised
    assert [a.event for a in limits.judge([Measure(name, "", calm)], 2)] == ["over"] * len(raised)


def test_a_local_subnet_needs_less_disk() -> None:
    local = Limits(limits_of(OperationsTable(), local=True), hold_s=0, repeat_s=9)
    assert local.judge([Measure("disk_free_bytes", "", 2e9)], 0) == []


def test_hosts_and_command_are_also_read_from_the_environment() -> None:
    environ = {
        "S17_OPERATIONS__NETWORK_CHECK_HOSTS": "example.org:443, [::1]:80",
        "S17_OPERATIONS__ALERT_COMMAND": "/usr/local/bin/page 'the boss'",
    }
    operations = load_settings(environ=environ).operations
    assert operations.network_check_hosts == ["example.org:443", "[::1]:80"]
    assert operations.alert_command == ["/usr/local/bin/page", "the boss"]


def test_a_list_as_in_the_file_is_no_command_in_the_environment() -> None:
    with pytest.raises(ConfigError, match="written as in a shell"):
        load_settings(environ={"S17_OPERATIONS__ALERT_COMMAND": '["/usr/local/bin/page", "me"]'})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("network_check_hosts", ["example.org"]),
        ("time_server", "pool.ntp.org:ntp"),
        ("time_server", "a b"),
        ("alert_webhook_url", "example.org/hook"),
    ],
)
def test_addresses_that_cannot_be_asked_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValueError, match=key):
        OperationsTable.model_validate({key: value})
