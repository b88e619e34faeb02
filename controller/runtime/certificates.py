"""The certificate that Asterisk shows on SIP over TLS: the sysadmin's own, or one that signs itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from ipaddress import ip_address
from pathlib import Path

from controller.errors import SetupError
from controller.runtime.settings import StackSettings

_DAYS = 3650
_RENEW_S = 30 * 86_400
_LIMIT_S = 20.0


def for_sip(settings: StackSettings) -> tuple[Path, Path]:
    """Return the files of the certificate and of its key (PEM), making a self-signed pair the first time.

    Raises `SetupError` when a named file is missing, or when there is no `openssl` to make one with.
    """
    if settings.sip_certificate or settings.sip_key:
        named = Path(settings.sip_certificate), Path(settings.sip_key)
        for path in named:
            if not path.is_file():
                raise SetupError(
                    f"[sip] certificate and key name {path}, which is not there. Give both files (PEM), or neither."
                )
        return named[0].absolute(), named[1].absolute()
    folder = settings.state_dir.absolute() / "tls"
    certificate, key = folder / "sip.pem", folder / "sip.key"
    if not (
        certificate.is_file() and key.is_file() and _run("x509", "-checkend", str(_RENEW_S), "-in", str(certificate))
    ):
        _make(certificate, key, _names(settings))
    return certificate, key


def _make(certificate: Path, key: Path, names: str) -> None:
    certificate.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = _run(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"),
        *("-days", str(_DAYS), "-subj", "/CN=rappel", "-addext", f"subjectAltName={names}"),
        *("-keyout", str(key), "-out", str(certificate)),
    )
    if not made:
        raise SetupError(
            f"{certificate} could not be made with openssl. Look whether its folder can be written to, or name your "
            "own certificate and key in [sip]."
        )
    key.chmod(0o600)


def _names(settings: StackSettings) -> str:
    addresses = {settings.bind, settings.external_address} - {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    names = ["DNS:localhost"]
    for address in sorted(addresses):
        try:
            names.append(f"IP:{ip_address(address)}")
        except ValueError:
            names.append(f"DNS:{address}")
    return ",".join(names)


def _run(*words: str) -> bool:
    program = shutil.which("openssl")
    if program is None:
        raise SetupError(
            "SIP over TLS needs a certificate, and there is no openssl to make one. Install openssl, name your own "
            "certificate and key in [sip], or set tls_port to 0."
        )
    umask = os.umask(0o077)
    try:
        done = subprocess.run([program, *words], capture_output=True, timeout=_LIMIT_S, check=False)  # noqa: S603 - openssl with words of ours
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        os.umask(umask)
    return done.returncode == 0
