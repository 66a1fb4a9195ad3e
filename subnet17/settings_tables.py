"""The tables of the settings: every key with its meaning, default and bounds, and whether it may change live.

Covers: one table per process, and what two of them share. Does not cover: where values come from
(settings_sources.py), the tree of all tables and how it is loaded (settings.py).
"""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from subnet17.addresses import is_http_url

T = TypeVar("T")

HOTKEY = re.compile("5[1-9A-HJ-NP-Za-km-z]{47}")
"""An ss58 address of bittensor's chains."""
HOST_AND_PORT = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):\d{1,5}")

LIVE, SECRET = "live", "secret"
Live = Annotated[T, LIVE]
"""A key that a running process follows (reload.py); a change of any other one waits for a restart."""
Secret = Annotated[str, SECRET]
"""Never logged, nor shown in an error or on a status page."""

Port = Annotated[int, Field(ge=1, le=65535)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, protected_namespaces=()
    )


class ServerTable(Table):
    """What both servers share."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    api_key: Secret = Field(
        "", description="Required in X-API-Key; must be set on a host that is not loopback."
    )
    allow_without_key: bool = Field(
        False,
        description="Answer anybody without a key also on a host that is not loopback: for a container whose"
        " port is open to its callers alone.",
    )
    workers: int = Field(1, ge=1, le=16, description="Worker processes that do the computing.")
    worker_memory_bytes: int = Field(
        6 * 2**30, ge=2**28, description="Address-space limit of one CPU worker."
    )
    max_concurrent_requests: Live[int] = Field(
        8, ge=1, le=1024, description="Admitted requests: running and queued."
    )
    request_timeout_s: Live[Seconds] = Field(120.0, description="A job that takes longer is killed.")
    circuit_breaker_failure_threshold: Live[int] = Field(
        5, ge=1, le=1000, description="Server faults in the window before the breaker may open."
    )
    load_timeout_s: Seconds = Field(
        900.0, description="A worker that has not loaded by then is replaced and loads anew."
    )


class DeviceTable(ServerTable):
    """What both servers need to know of the devices that models run on."""

    device: str = Field(
        "cuda", description="Where the models run; one worker for each device named: cuda:0,cuda:1"
    )
    compile: bool = Field(True, description="Compile the models on a GPU while loading.")
    vram_limit_bytes: int = Field(
        0, ge=0, description="What this server's models may take of a GPU; 0: all of it."
    )
    memory_cleanup_threshold: Live[float] = Field(
        0.9,
        ge=0.5,
        le=1,
        description="Share of a GPU in use by all processes from which idle models move out; 1: never.",
    )
    idle_unload_s: Live[float] = Field(
        0.0, ge=0, le=86_400, description="Without work for so long, all models are moved out; 0: never."
    )


class GenerationTable(DeviceTable):
    """The generation server."""

    port: Port = Field(8093, description="Port to listen on.")
    backend: Literal["auto", "procedural", "flux-hunyuan"] = Field(
        "auto", description="What generates; auto: flux-hunyuan where a GPU and its packages are there."
    )
    profile: Live[Literal["speed", "balanced", "quality"]] = Field(
        "balanced", description="Work per asset where a request does not say; balanced: as set here."
    )
    splat_count: Live[int] = Field(
        100_000, ge=7000, le=2_000_000, description="Splats of an asset in the balanced profile."
    )
    text_to_image_model: str = Field(
        "black-forest-labs/FLUX.1-schnell", description="Hub id or folder of the picture model."
    )
    text_to_image_revision: str = Field(
        "", description="Commit of the picture model on the hub; empty: the pinned one of a known model."
    )
    image_steps: Live[int] = Field(4, ge=1, le=100, description="Denoising steps of the picture.")
    image_size_px: int = Field(512, ge=64, le=2048, description="Side of the picture.")
    background: Literal["auto", "network", "plain"] = Field(
        "auto", description="Background removal; auto: a network where its weights lie in background_model."
    )
    background_model: str = Field("", description="An .onnx file of rembg's, or the folder that holds it.")
    model_path: str = Field("tencent/Hunyuan3D-2", description="Hub id or folder of the shape model.")
    shape_revision: str = Field(
        "", description="Commit of the shape model on the hub; empty: the pinned one of a known model."
    )
    subfolder: str = Field("hunyuan3d-dit-v2-0", description="Variant of the shape model.")
    vae_subfolder: str = Field(
        "", description="Shape decoder to use instead of the variant's own, such as hunyuan3d-vae-v2-0-turbo."
    )
    num_inference_steps: Live[int] = Field(30, ge=1, le=200, description="Steps of the shape model.")
    guidance_scale: Live[float] = Field(
        5.0, ge=0, le=30, description="Of the shape model; distilled variants have it built in."
    )
    octree_resolution: Live[int] = Field(384, ge=16, le=1024, description="Cells per side of the volume.")
    mc_algo: Live[Literal["mc", "dmc"]] = Field("mc", description="Surface extraction of mesh formats.")
    texture: Literal["auto", "projection", "paint"] = Field(
        "auto",
        description="Colours: from the picture, or painted by Hunyuan3D-Paint, slower; auto: painted in the"
        " quality profile where its compiled parts and weights are there.",
    )
    weights_precision: Literal["auto", "bf16", "fp8"] = Field(
        "auto", description="Of the picture model on a GPU; auto: fp8 where the GPU computes in it."
    )


class ValidationTable(DeviceTable):
    """The validation server."""

    port: Port = Field(8094, description="Port to listen on.")
    scorer: Literal["auto", "embedded", "reference"] = Field("auto", description="What scores.")
    renderer: Literal["auto", "cpu", "cuda"] = Field("auto", description="What draws the 16 views.")
    max_body_bytes: int = Field(128 * 2**20, ge=2**16, description="Of one request.")
    max_asset_bytes: int = Field(512 * 2**20, ge=2**16, description="Of one asset after decompression.")
    max_splats: int = Field(2_000_000, ge=7000, le=5_000_000, description="Of one asset; more are refused.")
    text_alignment_model: str = Field(
        "laion/CLIP-convnext_large_d.laion2B-s26B-b102K-augreg",
        description="Hub id or folder of the network that compares views with a text.",
    )
    text_alignment_revision: str = Field(
        "", description="Its commit on the hub; empty: the newest, with a warning, since none is pinned."
    )
    image_alignment_model: str = Field(
        "microsoft/LLM2CLIP-Openai-L-14-336",
        description="Hub id or folder of the network that compares views with a picture.",
    )
    image_alignment_revision: str = Field("", description="Its commit on the hub; empty: the pinned one.")
    image_tasks: bool = Field(
        True, description="Score against pictures; without, the reference scorer spares the network for it."
    )
    quality_model: str = Field(
        "404-Gen/validation", description="Hub id or folder that holds quality_scorer.safetensors."
    )
    quality_revision: str = Field("", description="Its commit on the hub; empty: the pinned one.")
    quality_backbone: str = Field(
        "facebook/dinov2-small", description="Hub id or folder of the backbone's configuration."
    )
    quality_backbone_revision: str = Field("", description="Its commit on the hub; empty: the pinned one.")
    lpips_model: str = Field(
        "", description="Folder with AlexNet's weights for LPIPS; empty: those of the installed libraries."
    )


class MinerTable(Table):
    """The miner."""

    wallet_name: str = Field("default", description="Folder of the wallet.")
    hotkey_name: str = Field("default", description="File of the hotkey.")
    wallet_path: str = Field("~/.bittensor/wallets", description="Folder of the wallets.")
    wallet_uri: Secret = Field(
        "", description="A development key such as //Alice; static loopback chains only."
    )
    host: str = Field("127.0.0.1", description="Where the status page listens.")
    api_key: Secret = Field("", description="Required by the status page on a host that is not loopback.")
    port: Port = Field(8095, description="Port of the status page.")
    generation_endpoints: list[str] = Field(default_factory=list, description="Empty: the local server.")
    validation_endpoint: str = Field("", description="Empty: the local server.")
    max_concurrent_generations: int = Field(
        2, ge=1, le=64, description="Generation requests under way at once."
    )
    num_generation_workers: int = Field(2, ge=1, le=64, description="Tasks worked on at once.")
    num_submission_workers: int = Field(
        3, ge=1, le=64, description="Submissions begun at once; one that takes over 5 s goes on beside them."
    )
    self_validation_min_score: Live[Fraction] = Field(
        0.7, description="Below it a candidate is not submitted."
    )
    competitive_score_threshold: Fraction = Field(
        0.8, description="A best score below it is told as not competitive."
    )
    max_candidates: Live[int] = Field(4, ge=1, le=64, description="Candidates made for one task at the most.")
    early_stop_score: Live[Fraction] = Field(
        0.95, description="From it on no further candidate is made for a task; 1: all that fit are made."
    )
    retry_time_s: Live[float] = Field(
        60.0, ge=0, le=600, description="Spent beyond the free time on a task without a result fit to submit."
    )
    quality_worth: Live[float] = Field(
        0.5, ge=0, le=10, description="Accepted results that an accepted score higher by 1 is worth in duels."
    )
    target_generation_time: Live[Seconds] = Field(
        5.0, description="Seconds; assumed until the first was measured."
    )
    metrics_interval_s: Live[Seconds] = Field(300.0, description="Between two metrics lines in the log.")
    generation_timeout_s: Live[Seconds] = Field(120.0, description="Of one generation request.")
    validation_timeout_s: Live[Seconds] = Field(60.0, description="Of one validation request.")
    drain_timeout_s: Live[Seconds] = Field(
        25.0, description="To finish and hand in work after SIGINT or SIGTERM."
    )
    journal_days: Live[float] = Field(
        14.0, gt=0, le=3650, description="Answered tasks and their assets are kept for so long."
    )
    journal_max_bytes: Live[int] = Field(
        20 * 10**9, ge=0, description="Of kept assets; beyond it the oldest answered tasks are forgotten."
    )
    min_validator_stake: Live[float] = Field(
        1000.0, ge=0, description="Neurons with less are not asked for tasks."
    )
    blocked_validators: Live[list[str]] = Field(
        default_factory=list, description="Hotkeys of validators that are never asked for tasks."
    )
    allowed_validators: Live[list[str]] = Field(
        default_factory=list, description="When set, only these validators' hotkeys are asked for tasks."
    )
    eject_after_failures: Live[int] = Field(
        5, ge=1, le=100, description="Failed calls in a row after which a validator is left alone for long."
    )
    market_aware: Live[bool] = Field(
        False, description="Let our duel rating scale quality_worth (docs/validators.md)."
    )
    allow_embedded_on_public_network: bool = Field(
        False, description="Submit what the embedded back ends made or scored; the price is yours."
    )

    @field_validator("generation_endpoints", "blocked_validators", "allowed_validators", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

    @field_validator("generation_endpoints")
    @classmethod
    def _check_endpoints(cls, urls: list[str]) -> list[str]:
        return [_checked_url(url, port=8093) for url in urls]

    @field_validator("validation_endpoint")
    @classmethod
    def _check_endpoint(cls, url: str) -> str:
        return _checked_url(url, port=8094) if url else url

    @field_validator("blocked_validators", "allowed_validators")
    @classmethod
    def _check_hotkeys(cls, hotkeys: list[str]) -> list[str]:
        if odd := next((h for h in hotkeys if not HOTKEY.fullmatch(h)), None):
            raise ValueError(f"{odd!r} is not a hotkey: 48 characters from 5 on, as btcli shows them")
        return hotkeys

    @model_validator(mode="after")
    def _check_lists(self) -> MinerTable:
        if both := set(self.blocked_validators) & set(self.allowed_validators):
            raise ValueError(f"{min(both)} is in blocked_validators and in allowed_validators")
        return self


class NetworkTable(Table):
    """The chain, the timings of the protocol, and the local subnet that stands in for it."""

    netuid: int = Field(17, ge=0, description="The subnet.")
    chain: str = Field("bittensor", description="bittensor, or static:neurons.json")
    subtensor_network: str = Field("finney", description="The chain bittensor connects to.")
    chain_endpoint: str = Field("", description="A node's address, instead of the network's own.")
    metagraph_refresh_s: Seconds = Field(600.0, description="Between two looks at the chain.")
    metagraph_max_age_s: Seconds = Field(
        86_400.0, description="Oldest metagraph on disk that is used at a start without the chain."
    )
    connect_timeout_s: Seconds = Field(5.0, description="To reach a validator; part of the call's time.")
    pull_timeout_s: Seconds = Field(12.0, description="Of one pull.")
    submit_timeout_s: Seconds = Field(300.0, description="Of one submission.")
    retry_share: float = Field(
        0.2, gt=0, le=1, description="Repeated calls as a share of first calls, at the most, in the long run."
    )
    pull_interval_s: Seconds = Field(10.0, description="Pause between pulls when a validator has no task.")
    cooldown_margin_s: float = Field(
        2.0, ge=0, description="Waited beyond cooldown_until on the validator's clock."
    )
    local_validators: int = Field(2, ge=1, le=64, description="Validators of the local subnet.")
    local_port: Port = Field(8101, description="First validator; the others follow.")
    local_time_scale: float = Field(1.0, gt=0, le=1, description="Multiplies the local subnet's cooldowns.")
    local_image_share: Fraction = Field(0.2, description="Share of image tasks the local subnet gives out.")


class OperationsTable(Table):
    """Logs, data and supervision."""

    log_level: Live[Literal["debug", "info", "warning", "error"]] = Field(
        "info", description="Least level logged."
    )
    log_format: Literal["console", "json"] = Field("console", description="For people or for machines.")
    log_dir: str = Field("logs", description="Folder of the log files.")
    log_max_bytes: int = Field(
        10 * 2**20, ge=2**16, le=2**34, description="Of one log file; then it is moved away and begun anew."
    )
    log_backups: int = Field(5, ge=0, le=100, description="Moved log files kept of each.")
    data_dir: str = Field("data", description="Folder of what is kept between runs.")
    min_free_disk_bytes: Live[int] = Field(
        10 * 10**9,
        ge=0,
        description="Checked before the start on a public network; below it the miner takes no more tasks.",
    )
    max_restarts: int = Field(1000, ge=1, description="Failed starts in a row before PM2 gives up.")
    kill_timeout_s: Seconds = Field(40.0, description="From SIGINT to SIGKILL; longer than drain_timeout_s.")
    supervisor: Literal["auto", "pm2", "own"] = Field(
        "auto", description="What restarts processes that crash; auto: PM2 where it is there."
    )
    health_interval_s: Live[Seconds] = Field(10.0, description="Between two health checks of a process.")
    health_timeout_s: Live[Seconds] = Field(10.0, description="For the answer to a health check.")
    health_failures: Live[int] = Field(
        3, ge=1, le=100, description="Failed checks in a row after which a process is restarted."
    )
    work_check_interval_s: Live[float] = Field(
        600.0,
        ge=0,
        le=86_400,
        description="An idle server gets a small real request when nothing else has proved for so long that"
        " it can work; 0: never.",
    )
    stall_timeout_s: Live[Seconds] = Field(
        900.0, description="A miner that could go on and has not moved for so long is restarted."
    )
    crash_loop_failures: Live[int] = Field(
        5, ge=2, le=100, description="Failures of a process within the window that put it aside."
    )
    crash_loop_window_s: Live[Seconds] = Field(600.0, description="Window in which failures are counted.")
    crash_loop_pause_s: Live[Seconds] = Field(
        600.0, description="How long a process stays aside the first time; doubles up to six hours."
    )
    resources_interval_s: Live[Seconds] = Field(15.0, description="Between two looks at the machine.")
    max_cpu_percent: Live[float] = Field(98.0, gt=0, le=100, description="Of all cores; more is told.")
    max_memory_percent: Live[float] = Field(
        92.0, gt=0, le=100, description="With more in use the miner works on one task at once."
    )
    max_vram_percent: Live[float] = Field(
        98.0, gt=0, le=100, description="Of a GPU by all processes; with more, one task at once."
    )
    max_gpu_temperature_deg_c: Live[float] = Field(
        85.0, gt=0, le=120, description="With more, one task at once; 5 degrees above it, none."
    )
    max_gpu_power_w: Live[float] = Field(0.0, ge=0, description="More is told; 0: not watched.")
    max_clock_skew_s: Live[float] = Field(
        2.0, gt=0, description="More is told; validators refuse at 4 seconds."
    )
    time_server: Live[str] = Field(
        "pool.ntp.org", description="Asked by SNTP for the time; empty: not asked."
    )
    network_check_hosts: Live[list[str]] = Field(
        default_factory=lambda: ["entrypoint-finney.opentensor.ai:443", "1.1.1.1:443"],
        description="name:port; the network is out when none takes a connection; empty: not checked.",
    )
    alert_hold_s: Live[float] = Field(
        30.0, ge=0, le=3600, description="A limit must be passed for so long to be told, and kept as long."
    )
    alert_repeat_s: Live[Seconds] = Field(
        3600.0, description="An alert that stands is told again after this time."
    )
    alert_webhook_url: Live[Secret] = Field("", description="Gets each alert as JSON by POST; empty: none.")
    alert_command: Live[list[str]] = Field(
        default_factory=list,
        description='Run for each alert, its facts in the environment: ["/usr/local/bin/page", "me"].',
    )
    clean_up: Live[bool] = Field(
        False, description="Delete old runs of the local tools by age and size, and when the disk runs full."
    )
    clean_up_age_days: Live[float] = Field(14.0, gt=0, description="Runs older than this are deleted.")
    clean_up_max_bytes: Live[int] = Field(
        20 * 10**9, ge=0, description="Of all runs together; the oldest beyond it are deleted."
    )
    auto_profile: bool = Field(
        False,
        description="The orchestrator measures the idle servers every half hour and switches"
        " generation.profile (docs/optimizer.md).",
    )
    orchestrator_log: str = Field(
        "mining_orchestrator.log", description="The orchestrator's log file; relative to the project's root."
    )

    @field_validator("network_check_hosts", "alert_command", mode="before")
    @classmethod
    def _split(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, str):
            return value
        if info.field_name != "alert_command":
            return value.replace(",", " ").split()
        if value.lstrip().startswith("["):
            raise ValueError("in the environment a command is written as in a shell: /usr/local/bin/page me")
        return shlex.split(value)

    @field_validator("network_check_hosts")
    @classmethod
    def _check_hosts(cls, hosts: list[str]) -> list[str]:
        if odd := next((host for host in hosts if not HOST_AND_PORT.fullmatch(host)), None):
            raise ValueError(f"{odd!r} is not name:port")
        return hosts

    @field_validator("time_server")
    @classmethod
    def _check_time_server(cls, server: str) -> str:
        if server and not HOST_AND_PORT.fullmatch(server if ":" in server else f"{server}:123"):
            raise ValueError("expected a name, or name:port")
        return server

    @field_validator("alert_webhook_url")
    @classmethod
    def _check_webhook(cls, url: str) -> str:
        if url and not is_http_url(url, with_query=True):  # not repeated: it may hold a secret
            raise ValueError("this is no http(s) address, such as https://example.org/alerts")
        return url


def _checked_url(url: str, *, port: int) -> str:
    if not is_http_url(url):
        raise ValueError(f"{url!r} is no http(s) address, such as http://127.0.0.1:{port}")
    return url.rstrip("/")  # paths are put behind it
