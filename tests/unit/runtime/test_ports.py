from __future__ import annotations

import os
import socket

import pytest

from controller.errors import SetupError
from controller.runtime import ports
from controller.runtime.ports import Door
from controller.runtime.settings import StackSettings


def test_a_taken_port_is_named_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        door = Door("web_port", "tcp", "127.0.0.1", server.getsockname()[1])
        assert not ports.is_free(door)
        holder = ports.holder(door)
        assert holder is not None
        assert holder.pid == os.getpid()
        with pytest.raises(SetupError, match=rf"web_port \(TCP 127.0.0.1:{door.port}\) is held by .*{os.getpid()}"):
            ports.require_free([door])
    assert ports.is_free(door)
    ports.require_free([door])


def test_a_taken_udp_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        door = Door("sip_port", "udp", "127.0.0.1", server.getsockname()[1])
        assert not ports.is_free(door)
        holder = ports.holder(door)
        assert holder is not None
        assert holder.pid == os.getpid()


def test_the_doors_of_the_settings() -> None:
    settings = StackSettings(rtp_start=20000, rtp_end=20003)
    assert [door.port for door in ports.rtp_doors(settings)] == [20000, 20001, 20002, 20003]
    assert {door.port for door in ports.asterisk_doors(settings)} == {5060, 8088, 5038}
    assert {door.port for door in ports.controller_doors(settings)} == {8089, 4573, 8080}
