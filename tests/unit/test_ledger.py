"""The ledger file: whole at any moment, complete, and readable again."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

from subnet17.errors import ConfigError
from subnet17.localnet.ledger import (
    KEPT_ENTRIES,
    Entry,
    Ledger,
    Page,
    read_record,
    restore_page,
)
from subnet17.localnet.standing import Standing
from subnet17.mining.protocol import ImageTask, TextTask


def _entry(number: int) -> Entry:
    return Entry(at_s=float(number), miner="miner", task_id=f"task {number}", score=0.7)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    page = Page(uid=3, hotkey="validator")
    ledger = Ledger(tmp_path / "new" / "ledger.json", [page], time_scale=0.5)
    page.add("accepted", _entry(1))
    page.miners["miner"] = Standing(task=ImageTask(id="i", prompt="cG5n"), violations=4, accepted_at_s=[1.5])
    ledger.write(page)
    record = read_record(tmp_path / "new" / "ledger.json")
    assert record is not None
    assert record.time_scale == 0.5
    assert record.validators == [page]
    assert record.count("accepted") == 1


def test_a_missing_file_is_no_record(tmp_path: Path) -> None:
    assert read_record(tmp_path / "ledger.json") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2, "time_scale": 1, "validators": []}'])
def test_a_file_that_is_no_ledger_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ledger.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="not a readable ledger"):
        read_record(path)


def test_a_page_is_restored_by_hotkey_with_its_miners(tmp_path: Path) -> None:
    page = Page(uid=0, hotkey="validator")
    page.miners["miner"] = Standing(task=TextTask(id="t", prompt="a mug"), cooldown_until_s=9)
    Ledger(tmp_path / "ledger.json", [page], time_scale=1)
    record = read_record(tmp_path / "ledger.json")
    assert restore_page(record, uid=0, hotkey="validator") == page
    assert restore_page(record, uid=0, hotkey="another") == Page(uid=0, hotkey="another")
    assert restore_page(None, uid=0, hotkey="validator") == Page(uid=0, hotkey="validator")


def test_all_is_counted_but_only_the_latest_are_kept_unless_more_are_asked_for() -> None:
    for kept, left in ((KEPT_ENTRIES, KEPT_ENTRIES), (sys.maxsize, KEPT_ENTRIES + 50)):
        page = Page(uid=0, hotkey="validator", kept=kept)
        for number in range(KEPT_ENTRIES + 50):
            page.add("violations", _entry(number))
            page.add("accepted", _entry(number))
        assert page.counts == {"violations": KEPT_ENTRIES + 50, "accepted": KEPT_ENTRIES + 50}
        assert [len(entries) for entries in page.entries.values()] == [left, left]
        assert page.entries["accepted"][-1].at_s == KEPT_ENTRIES + 49


def test_a_long_ledger_of_an_earlier_run_is_cut_at_its_next_entry(tmp_path: Path) -> None:
    page = Page(uid=0, hotkey="validator", kept=sys.maxsize)
    for number in range(KEPT_ENTRIES + 50):
        page.add("accepted", _entry(number))
    Ledger(tmp_path / "ledger.json", [page], time_scale=1)
    restored = restore_page(read_record(tmp_path / "ledger.json"), uid=0, hotkey="validator")
    restored.add("accepted", _entry(9999))
    assert len(restored.entries["accepted"]) == KEPT_ENTRIES
    assert restored.counts["accepted"] == KEPT_ENTRIES + 51


def test_readers_see_a_whole_file_while_validators_write_from_threads(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    pages = [Page(uid=uid, hotkey=f"validator {uid}") for uid in range(3)]
    ledger = Ledger(path, pages, time_scale=1)

    def work(page: Page) -> None:
        for number in range(40):
            page.add("accepted", _entry(number))
            ledger.write(page)

    threads = [threading.Thread(target=work, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    seen = 0
    while any(thread.is_alive() for thread in threads):
        counts = [page["counts"].get("accepted", 0) for page in json.loads(path.read_text())["validators"]]
        assert sum(counts) >= seen
        seen = sum(counts)
    record = read_record(path)
    assert record is not None
    assert record.count("accepted") == 120
