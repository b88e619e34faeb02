// The WebSocket to Rappel's relay: shows the ticket, then carries SIP. A JsSIP "Socket".
import { VoiceError } from "./errors.js";

const OPEN_MS = 10000;
const PATH = "/public/v1/voice/ws";

/** Open the relay with a ticket. Resolves with { socket, welcome }; rejects with a VoiceError. */
export function openRelay(base, ticket, language) {
  const url = new URL(PATH, base);
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.href, "sip");
    const fail = (code) => {
      clearTimeout(timer);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      reject(new VoiceError(code, language));
    };
    const timer = setTimeout(fail, OPEN_MS, "network");
    socket.onopen = () => socket.send(JSON.stringify({ ticket }));
    socket.onclose = () => fail("network");
    socket.onmessage = ({ data }) => {
      let welcome;
      try {
        welcome = JSON.parse(data);
      } catch {
        welcome = { refused: "network" };
      }
      if (welcome.refused) {
        fail(welcome.refused);
        return;
      }
      clearTimeout(timer);
      resolve({ socket: new RelaySocket(socket, welcome.domain), welcome });
    };
  });
}

/** What JsSIP asks of a socket. It is open already, and is never opened again: its ticket is used. */
class RelaySocket {
  constructor(socket, domain) {
    this._socket = socket;
    this.url = socket.url;
    this.via_transport = "WS";
    this.sip_uri = `sip:${domain};transport=ws`;
    this.onconnect = this.ondisconnect = this.ondata = () => {};
    this.onlost = () => {};
    socket.onmessage = ({ data }) => this.ondata(data);
    socket.onclose = ({ wasClean, code, reason }) => {
      this.onlost(code);
      this.ondisconnect(!wasClean, code, reason);
    };
  }

  connect() {
    if (this._socket.readyState === WebSocket.OPEN) queueMicrotask(() => this.onconnect());
  }

  disconnect() {
    this._socket.close(1000);
  }

  send(message) {
    if (this._socket.readyState !== WebSocket.OPEN) return false;
    this._socket.send(message);
    return true;
  }
}
