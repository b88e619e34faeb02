// One call: microphone, ticket, relay, SIP, sound, and its end, whichever way it comes.
import JsSIP from "jssip";
import { VoiceError } from "./errors.js";
import { openMicrophone, watchLevel } from "./microphone.js";
import { watchQuality } from "./quality.js";
import { openRelay } from "./socket.js";

const MEDIA_MS = 10000; // from the answer to the first sound: longer means that the network blocks it
const GATHER_MS = 400; // candidates that take longer are of servers that we do not use
const LAST_WORDS_MS = 500;
const ANSWER_S = 85;
const TONE_MS = 120;
const GAP_MS = 80;
const BUSY = new Set(["Busy", "Rejected", "Unavailable", "Not Found"]);

/** Start a call; see main.js. Returns at once. */
export function startCall(options) {
  const call = new Call(options);
  call.run();
  return {
    hangup: () => call.hangup(),
    dtmf: (keys) => call.dtmf(keys),
    mute: (muted) => call.mute(muted),
  };
}

class Call {
  constructor({ base, ticket, microphone, language, onState, onQuality, onLevel }) {
    this.base = base;
    this.ticket = ticket;
    this.microphone = microphone ?? null;
    this.language = language ?? document.documentElement.lang;
    this.onState = onState ?? (() => {});
    this.onQuality = onQuality ?? (() => {});
    this.onLevel = onLevel;
    this.over = false;
    this.muted = false;
    this.agent = null;
    this.session = null;
    this.audio = null;
    this.stops = [];
    this.leaving = () => this.hangup();
    addEventListener("pagehide", this.leaving);
  }

  async run() {
    try {
      if (!this.microphone) {
        this.onState("microphone", {});
        this.microphone = await openMicrophone({ language: this.language });
      }
      if (this.over) return this.release();
      if (this.onLevel) this.stops.push(watchLevel(this.microphone.stream, this.onLevel));
      this.onState("connecting", {});
      const ticket = typeof this.ticket === "function" ? await this.ticket() : this.ticket;
      const { socket, welcome } = await openRelay(this.base, ticket, this.language);
      if (this.over) {
        socket.disconnect();
        return this.release();
      }
      this.dial(socket, welcome);
    } catch (error) {
      this.end("failed", error instanceof VoiceError ? error : new VoiceError("refused", this.language));
    }
  }

  dial(socket, { user, password, target, domain }) {
    socket.onlost = () => this.end("failed", new VoiceError(this.answered ? "lost" : "network", this.language));
    this.agent = new JsSIP.UA({
      sockets: [socket],
      uri: `sip:${user}@${domain}`,
      password,
      register: false,
      session_timers: false,
      no_answer_timeout: ANSWER_S,
    });
    this.agent.on("connected", () => this.invite(`sip:${target}@${domain}`));
    this.agent.start();
  }

  invite(address) {
    const { stream } = this.microphone;
    const session = this.agent.call(address, {
      mediaStream: stream,
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: [], bundlePolicy: "max-bundle" },
      rtcOfferConstraints: { offerToReceiveAudio: true, offerToReceiveVideo: false },
    });
    this.session = session;
    this.hear(session.connection);
    session.on("icecandidate", ({ ready }) => setTimeout(ready, GATHER_MS));
    session.on("progress", () => this.onState("ringing", {}));
    session.on("confirmed", () => this.talk());
    session.on("ended", ({ originator }) => this.hungUp(originator === "local"));
    session.on("failed", ({ cause, originator }) => this.failed(cause, originator));
  }

  /** The click that began the call allows sound; where it does not, the next one does. */
  play() {
    this.audio.play().catch(() => addEventListener("click", () => this.audio.srcObject && this.play(), { once: true }));
  }

  hear(connection) {
    this.audio = new Audio();
    this.audio.autoplay = true;
    connection.addEventListener("track", ({ track, streams }) => {
      this.audio.srcObject = streams[0] ?? new MediaStream([track]);
      this.play();
    });
    connection.addEventListener("iceconnectionstatechange", () => {
      if (connection.iceConnectionState === "disconnected") this.onQuality({ score: 0 });
      if (connection.iceConnectionState === "failed") this.fail(this.heard ? "lost" : "media");
      if (connection.iceConnectionState === "connected") this.heard = true;
    });
  }

  talk() {
    if (this.over) return;
    this.answered = true;
    this.onState("talking", {});
    this.stops.push(watchQuality(this.session.connection, this.onQuality));
    const timer = setTimeout(() => {
      if (!this.heard) this.fail("media");
    }, MEDIA_MS);
    this.stops.push(() => clearTimeout(timer));
  }

  hungUp(locally) {
    // Asterisk gives a call up whose sound finds no way.
    if (!locally && !this.heard) this.fail("media");
    else this.end("ended", { by: locally ? "you" : "us" });
  }

  failed(cause, originator) {
    if (originator === "local" && cause === JsSIP.C.causes.CANCELED) this.end("ended", { by: "you" });
    else if (cause === JsSIP.C.causes.NO_ANSWER || BUSY.has(cause)) this.fail("unanswered");
    else this.fail("refused");
  }

  fail(code) {
    this.end("failed", new VoiceError(code, this.language));
  }

  hangup() {
    this.end("ended", { by: "you" });
  }

  /** Press keys: 0 to 9, * and #, sent as telephone events in the sound's own stream (RFC 4733). */
  dtmf(keys) {
    const tones = String(keys).replace(/[^0-9*#]/g, "");
    if (!tones || !this.answered || this.over) return;
    this.session.sendDTMF(tones, { transportType: "RFC2833", duration: TONE_MS, interToneGap: GAP_MS });
  }

  mute(muted) {
    this.muted = Boolean(muted);
    for (const track of this.microphone?.stream.getAudioTracks() ?? []) track.enabled = !this.muted;
  }

  end(state, detail) {
    if (this.over) return;
    this.over = true;
    const { agent, session } = this;
    if (session && !session.isEnded()) session.terminate();
    // A BYE has to be sent, and answered, before the socket goes.
    if (agent) setTimeout(() => agent.stop(), LAST_WORDS_MS);
    this.release();
    this.onState(state, detail);
  }

  release() {
    removeEventListener("pagehide", this.leaving);
    for (const stop of this.stops.splice(0)) stop();
    this.microphone?.close();
    if (this.audio) this.audio.srcObject = null;
  }
}
