"""Settings: three sources in order, unknown keys refused with the nearest known one."""

from __future__ import annotations

from pathlib import Path

import pytest

from subnet17.errors import ConfigError
from subnet17.settings import PROJECT_ROOT, SHORT_NAMES, Settings, load_settings
from subnet17.settings_doc import describe_settings


def write(folder: Path, text: str) -> Path:
    path = folder / "mining.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_process_must_not_be_killed_while_it_drains() -> None:
    with pytest.raises(ConfigError, match="kill_timeout_s must be longer"):
        load_settings(environ={"S17_OPERATIONS__KILL_TIMEOUT_S": "20"})


def test_defaults_are_those_of_the_contract() -> None:
    settings = load_settings(environ={}, flags={})
    assert (settings.generation.port, settings.validation.port, settings.miner.port) == (8093, 8094, 8095)
    assert settings.miner.self_validation_min_score == 0.7
    assert settings.generation.num_inference_steps == 30


def test_environment_overrides_file_and_flags_override_environment(tmp_path: Path) -> None:
    path = write(tmp_path, "[generation]\nport = 1000\noctree_resolution = 100\nimage_steps = 9\n")
    environ = {"S17_GENERATION__PORT": "2000", "S17_GENERATION__OCTREE_RESOLUTION": "256"}
    table = load_settings(
        path, environ=environ, flags={"generation": {"port": 3000, "host": None}}
    ).generation
    assert (table.port, table.octree_resolution, table.image_steps, table.host) == (3000, 256, 9, "127.0.0.1")


def test_config_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    path = write(tmp_path, "[miner]\nwallet_name = 'other'\n")
    assert load_settings(environ={"S17_CONFIG": str(path)}).miner.wallet_name == "other"


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_short_names_reach_their_key(name: str) -> None:
    table, key = SHORT_NAMES[name]
    value = "named" if name.endswith("_NAME") else "1"
    assert str(getattr(getattr(load_settings(environ={name: value}), table), key)).startswith(value)


def test_prefixed_name_wins_over_short_name() -> None:
    environ = {"WALLET_NAME": "short", "S17_MINER__WALLET_NAME": "long"}
    assert load_settings(environ=environ).miner.wallet_name == "long"


def test_endpoints_split_at_commas() -> None:
    environ = {"S17_MINER__GENERATION_ENDPOINTS": "http://a:1, http://b:2"}
    assert load_settings(environ=environ).generation_urls == ["http://a:1", "http://b:2"]


@pytest.mark.parametrize("key", ["generation_endpoints", "validation_endpoint"])
@pytest.mark.parametrize(
    "url",
    [
        "localhost:8093",
        "nonsense",
        "ftp://x",
        "http://",
        "http:///generate",
        "http://:8093",
        "http://a:b",
        "http://a:0",
        "http://a:99999",
        "http://a b",
        "http://[::1",
        "http://a?b",
        "http://127.0.0.1:8093;http://b",
    ],
)
def test_an_endpoint_that_is_no_address_is_refused_with_an_example(key: str, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={f"S17_MINER__{key.upper()}": url})
    assert key in caught.value.message
    assert f"{url!r} is no http(s) address, such as http://127.0.0.1:809" in caught.value.message


def test_one_wrong_endpoint_of_several_is_named() -> None:
    with pytest.raises(ConfigError, match="'nonsense' is no http"):
        load_settings(environ={"S17_MINER__GENERATION_ENDPOINTS": "http://127.0.0.1:8093,nonsense"})


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://a.test:443",
        "http://[::1]:8093",
        "http://gpu_1:1/behind/a/proxy",
        "http://u:p@a:1",
    ],
)
def test_addresses_of_endpoints_are_taken_without_a_slash_at_the_end(url: str) -> None:
    settings = load_settings(environ={"S17_MINER__GENERATION_ENDPOINTS": f"{url}/,{url}"})
    assert settings.generation_urls == [url, url]


@pytest.mark.parametrize("url", ["example.org/secret", "https://", "https://a:b/secret"])
def test_a_webhook_that_is_no_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError, match="no http") as caught:
        load_settings(environ={"S17_OPERATIONS__ALERT_WEBHOOK_URL": url})
    assert "secret" not in caught.value.message
    load_settings(environ={"S17_OPERATIONS__ALERT_WEBHOOK_URL": "https://a.test/hook?token=b#c"})


@pytest.mark.parametrize(
    ("environ", "nearest"),
    [
        ({"S17_GENERATION__OCTREE": "1"}, "octree_resolution"),
        ({"S17_MINER__WALET_NAME": "x"}, "wallet_name"),
        ({"S17_GENERATOIN__PORT": "1"}, "S17_GENERATION__PORT"),
        ({"S17_OCTREE_RESOLUTION": "1"}, "S17_GENERATION__OCTREE_RESOLUTION"),
    ],
)
def test_unknown_environment_key_names_the_nearest(environ: dict[str, str], nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ=environ)
    assert str(caught.value.detail["nearest"]).startswith(nearest)
    assert nearest in caught.value.message


@pytest.mark.parametrize("name", ["S17_FOO", "S17_NONSENSE", "S17_"])
def test_a_variable_like_no_other_has_no_nearest(name: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown key {name} in the environment; names are S17_TABLE__KEY"):
        load_settings(environ={name: "1"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[generation]\nprot = 1\n", "port"),
        ("[generatoin]\nport = 1\n", "generation"),
        ("[generation]\nport = 99999\n", "65535"),
        ("[miner]\nself_validation_min_score = 'high'\n", "self_validation_min_score"),
        ("[miner\n", "not valid TOML"),
        ("miner = 3\n", "[miner]"),
        ("\x00", "not valid TOML"),
    ],
)
def test_broken_file_says_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, text), environ={})
    assert said in caught.value.message


def test_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't read"):
        load_settings(tmp_path / "none.toml", environ={})


def test_shipped_file_is_valid_and_says_the_defaults() -> None:
    assert load_settings(PROJECT_ROOT / "mining.toml", environ={}) == Settings()


def test_documentation_lists_each_key_as_it_is() -> None:
    text = describe_settings()
    assert (PROJECT_ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == text
    assert "|  |" not in text, "a key has no meaning"
