// The microphone: asked for once, its level shown, its stream handed to the call.
import { VoiceError } from "./errors.js";

const CODES = {
  NotAllowedError: "microphone_denied",
  SecurityError: "microphone_denied",
  NotFoundError: "microphone_missing",
  OverconstrainedError: "microphone_missing",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};
const LEVEL_MS = 100;
const FLOOR_DB = -60;

/**
 * Ask for the microphone. Resolves with { stream, close() }; rejects with a VoiceError.
 * `onLevel` gets 0 (silence) to 1 (loud) ten times a second until it is closed.
 */
export async function openMicrophone({ onLevel, language } = {}) {
  if (!globalThis.isSecureContext) throw new VoiceError("insecure", language);
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.RTCPeerConnection) {
    throw new VoiceError("unsupported", language);
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
      video: false,
    });
  } catch (error) {
    throw new VoiceError(CODES[error.name] ?? "microphone_missing", language);
  }
  const stopLevel = onLevel ? watchLevel(stream, onLevel) : () => {};
  return {
    stream,
    close() {
      stopLevel();
      for (const track of stream.getTracks()) track.stop();
    },
  };
}

/** Tell how loud a stream is, until the function returned is called. */
export function watchLevel(stream, onLevel) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  context.resume().catch(() => {}); // Safari begins it suspended where the visitor's click is some time ago
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    const db = 10 * Math.log10(sum / samples.length + 1e-12);
    onLevel(Math.min(1, Math.max(0, 1 - db / FLOOR_DB)));
  }, LEVEL_MS);
  return () => {
    clearInterval(timer);
    context.close().catch(() => {});
  };
}
