"""SIP as a page and Asterisk write it."""

from __future__ import annotations

USER, TARGET = "page-0123", "7001"
ADDRESS = f"sip:{TARGET}@rappel.invalid"
CONTACT = "sip:127.0.0.1:8088;transport=ws"
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\n"


def message(start: str, headers: dict[str, str | list[str]], body: str = "") -> str:
    lines = [start]
    for name, value in headers.items():
        lines += [f"{name}: {each}" for each in ([value] if isinstance(value, str) else value)]
    if "Content-Length" not in headers:
        lines.append(f"Content-Length: {len(body.encode())}")
    return "\r\n".join(lines) + "\r\n\r\n" + body


def request(method: str = "INVITE", uri: str = ADDRESS, body: str | None = None, **changes: str | list[str]) -> str:
    """A page's request; `changes` by header with `_` for `-`; an empty list leaves it out."""
    body = (OFFER if method == "INVITE" else "") if body is None else body
    headers: dict[str, str | list[str]] = {
        "Via": "SIP/2.0/WS abc.invalid;branch=z9hG4bK1",
        "Max-Forwards": "69",
        "To": f"<{ADDRESS}>",
        "From": f"<sip:{USER}@rappel.invalid>;tag=page",
        "Call-ID": "call-1",
        "CSeq": f"1 {method}",
        "Contact": "<sip:x@abc.invalid;transport=ws;ob>",
    }
    if body:
        headers["Content-Type"] = "application/sdp"
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return message(f"{method} {uri} SIP/2.0", headers, body)


def inside(method: str, uri: str = CONTACT, body: str = "", **changes: str | list[str]) -> str:
    """A page's request inside the call."""
    return request(method, uri, body, **{"To": f"<{ADDRESS}>;tag=ast", "CSeq": f"2 {method}"} | changes)


def answer(status: str, method: str = "INVITE", number: int = 1, call_id: str = "call-1") -> str:
    """Asterisk's answer."""
    return message(
        f"SIP/2.0 {status}",
        {
            "Via": "SIP/2.0/WS abc.invalid;branch=z9hG4bK1",
            "From": f"<sip:{USER}@rappel.invalid>;tag=page",
            "To": f"<{ADDRESS}>;tag=ast",
            "Call-ID": call_id,
            "CSeq": f"{number} {method}",
            "Contact": f"<{CONTACT}>",
        },
    )


def asked(method: str, number: int = 7) -> str:
    """Asterisk's request inside the call."""
    return message(
        f"{method} sip:x@abc.invalid;transport=ws SIP/2.0",
        {
            "Via": "SIP/2.0/WS 127.0.0.1:8088;branch=z9hG4bK9",
            "From": f"<{ADDRESS}>;tag=ast",
            "To": f"<sip:{USER}@rappel.invalid>;tag=page",
            "Call-ID": "call-1",
            "CSeq": f"{number} {method}",
        },
    )


def reply(status: str, method: str, number: int = 7) -> str:
    """The page's answer to it."""
    return message(
        f"SIP/2.0 {status}",
        {
            "Via": "SIP/2.0/WS 127.0.0.1:8088;branch=z9hG4bK9",
            "From": f"<{ADDRESS}>;tag=ast",
            "To": f"<sip:{USER}@rappel.invalid>;tag=page",
            "Call-ID": "call-1",
            "CSeq": f"{number} {method}",
        },
    )
