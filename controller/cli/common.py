"""What the commands share: the configuration with what the embedded stack knows filled in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from controller.config import Config, load_config
from controller.postgres.store import PostgresStore
from controller.runtime import secrets as stack_secrets
from controller.runtime.postgres import PostgresServer
from controller.runtime.postgres import find as find_postgres
from controller.runtime.settings import Softphone, StackSettings, Trunk
from controller.trunks import networks_of, way_out

DATABASE = "rappel"


def stack_settings(config: Config) -> StackSettings:
    """Return the embedded stack's settings for `config`."""
    sip = config.sip
    way = way_out(sip)
    peers = networks_of(sip)
    return StackSettings(
        bind=config.sip.bind,
        external_address=config.sip.external_address,
        media_address=config.sip.media_address,
        local_networks=tuple(config.sip.local_networks),
        control_bind=config.sip.control_bind,
        control_permit=("127.0.0.1/32", "::1/128", *config.sip.control_permit),
        sip_permit=(
            "127.0.0.0/8",
            "::1/128",
            *config.sip.permit,
            *peers,
            *config.sip.control_permit,
        ),
        sip_port=config.sip.port,
        sip_tls_port=config.sip.tls_port,
        sip_certificate=config.sip.certificate,
        sip_key=config.sip.key,
        rtp_start=config.sip.rtp_from,
        rtp_end=config.sip.rtp_to,
        ari_port=config.sip.http_port,
        ami_port=config.asterisk.ami_port,
        controller_host=config.web.socket_host,
        controller_port=config.web.socket_port,
        agi_port=config.web.agi_port,
        web_bind=config.web.host,
        web_port=config.web.port,
        state_dir=Path(config.node.state_dir),
        cache_dir=Path(config.node.cache_dir),
        app=config.asterisk.app,
        trunk=Trunk(
            networks=("127.0.0.0/8", *peers),
            host=way.host,
            transport=way.transport,
            username=sip.trunk_user,
            password=sip.trunk_password,
            register=sip.trunk_register,
            domain=sip.trunk_domain,
            from_user=sip.trunk_from_user,
            calls=sip.trunk_calls,
            softphone=way.softphone,
        ),
        softphones=tuple(Softphone(name, f"Extension {name}") for name in config.sip.softphones),
        database=DATABASE,
        database_url=config.postgres.url,
        ari_url=config.asterisk.ari_url,
    )


def completed(config_path: str | None) -> Config:
    """Return the configuration with the embedded stack's addresses and secrets where none are given."""
    config = load_config(config_path)
    settings = stack_settings(config)
    if not config.asterisk.ari_url:
        secrets = stack_secrets.load(settings.secrets_file, [phone.extension for phone in settings.softphones])
        config.asterisk.ari_url = f"http://127.0.0.1:{config.sip.http_port}"
        config.asterisk.ari_user, config.asterisk.ari_password = secrets.ari_user, secrets.ari_password
        config.asterisk.ami_user, config.asterisk.ami_password = secrets.ami_user, secrets.ami_password
        config.asterisk.socket_user = secrets.controller_user
        config.asterisk.socket_password = secrets.controller_password
    if not config.asterisk.ami_host:
        config.asterisk.ami_host = urlsplit(config.asterisk.ari_url).hostname or "127.0.0.1"
    if not config.postgres.url:
        config.postgres.url = embedded_dsn(settings)
    return config


@contextlib.asynccontextmanager
async def open_store(dsn: str) -> AsyncIterator[PostgresStore]:
    """Give the database at `dsn` to a command, and close it after."""
    store = PostgresStore(dsn)
    try:
        yield store
    finally:
        await store.close()


def embedded_dsn(settings: StackSettings) -> str:
    """Return the address of the embedded Postgres's database; raise `SetupError` when there is no Postgres."""
    return PostgresServer(find_postgres(), settings.postgres_dir).dsn(settings.database)
