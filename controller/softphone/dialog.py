"""The shared state of two SIP ends in one call (RFC 3261 section 12), and the requests made from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from controller.softphone.endpoint import ALLOW, USER_AGENT, Address, contact_uri, target_address
from controller.softphone.message import Message, SipSyntaxError, address_uri, parameter, split_list


@dataclass(slots=True)
class DialogState:
    """`local` and `remote` are From/To values without tags; `remote_target` is the other side's Contact."""

    call_id: str
    local: str
    local_tag: str
    remote: str
    remote_target: str
    contact: str
    first_hop: Address
    remote_tag: str = ""
    routes: list[str] = field(default_factory=list)
    local_cseq: int = 0
    remote_cseq: int = 0

    def request(self, method: str, body: bytes = b"", content_type: str = "") -> Message:
        """Return the next request of the dialog (ACK takes its CSeq from `ack`), without a Via."""
        self.local_cseq += 1
        return self._make(method, self.local_cseq, body, content_type)

    def ack(self, cseq: int) -> Message:
        """Return the ACK to a 2xx of the INVITE numbered `cseq`."""
        return self._make("ACK", cseq, b"", "")

    def _make(self, method: str, cseq: int, body: bytes, content_type: str) -> Message:
        message = Message(method=method, uri=self.remote_target, body=body)
        for route in self.routes:
            message.add("Route", route)
        message.add("Max-Forwards", "70")
        message.add("From", f"{self.local};tag={self.local_tag}")
        message.add("To", f"{self.remote};tag={self.remote_tag}" if self.remote_tag else self.remote)
        message.add("Call-ID", self.call_id)
        message.add("CSeq", f"{cseq} {method}")
        message.add("User-Agent", USER_AGENT)
        if method in {"INVITE", "UPDATE", "REFER"}:
            message.add("Contact", self.contact)
        if method in {"INVITE", "UPDATE"}:
            message.add("Allow", ALLOW)
            message.add("Supported", "timer")
        if body:
            message.add("Content-Type", content_type)
        return message

    @property
    def next_hop(self) -> Address:
        """Where requests of the dialog go: first route, else the Contact, else where the call began."""
        if self.routes:
            try:
                return target_address(address_uri(self.routes[0]), self.first_hop)
            except SipSyntaxError:
                return self.first_hop
        return target_address(self.remote_target, self.first_hop)

    def established(self, response: Message) -> None:
        """Take tag, target and routes from a response that makes the dialog."""
        self.remote_tag = parameter(response.get("To"), "tag") or self.remote_tag
        self.remote_target = contact_uri(response, self.remote_target)
        recorded = [route for value in response.get_all("Record-Route") for route in split_list(value)]
        self.routes = recorded[::-1]

    def accepts(self, request: Message) -> bool:
        """Whether `request` is in order (RFC 3261, 12.2.2); remembers its number and new target."""
        number = request.cseq[0]
        if number < self.remote_cseq:
            return False
        self.remote_cseq = number
        if request.method in {"INVITE", "UPDATE"}:
            self.remote_target = contact_uri(request, self.remote_target)
        return True
