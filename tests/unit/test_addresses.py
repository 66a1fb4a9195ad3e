"""What a server says of an address that others can reach."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import typer

from subnet17.addresses import check_guarded
from subnet17.errors import ConfigError


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])  # noqa: S104 - nothing listens
def test_an_address_that_others_reach_asks_for_a_key(host: str) -> None:
    with pytest.raises(ConfigError, match="set api_key"):
        check_guarded(host, api_key="", allow_without_key=False)
    check_guarded(host, api_key="k", allow_without_key=False)
    check_guarded(host, api_key="", allow_without_key=True)
    check_guarded("127.0.0.1", api_key="", allow_without_key=False)


@pytest.mark.parametrize(
    ("module", "chooses"),
    [("subnet17.generation.cli", "choose_backend"), ("subnet17.validation.cli", "choose")],
)
def test_a_server_without_a_key_is_refused_before_it_says_that_it_starts(
    module: str, chooses: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli: Any = importlib.import_module(module)
    monkeypatch.setattr(cli, "configure_logging", lambda **_: None)
    monkeypatch.setattr(cli, "cap_log_files", lambda *_: None)
    monkeypatch.setattr(cli, chooses, lambda *_, **__: pytest.fail("it goes on without a key"))
    with pytest.raises(typer.Exit) as ended:
        cli.main(host="0.0.0.0")  # noqa: S104 - nothing listens
    assert ended.value.exit_code == 2
    assert "set api_key" in capsys.readouterr().err
