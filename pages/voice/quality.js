// How good the line is, from what the browser counts.

const EVERY_MS = 2000;

/** Tell how a peer connection is every two seconds, until the function returned is called. */
export function watchQuality(connection, onQuality) {
  let before = { lost: 0, received: 0 };
  const timer = setInterval(async () => {
    let report;
    try {
      report = await connection.getStats();
    } catch {
      return; // it is being closed
    }
    const now = { lost: 0, received: 0, jitterMs: 0, rttMs: 0, remoteLoss: 0 };
    for (const stat of report.values()) {
      if (stat.type === "inbound-rtp" && stat.kind === "audio") {
        now.lost = stat.packetsLost ?? 0;
        now.received = stat.packetsReceived ?? 0;
        now.jitterMs = 1000 * (stat.jitter ?? 0);
      } else if (stat.type === "remote-inbound-rtp") {
        now.remoteLoss = 100 * (stat.fractionLost ?? 0);
      } else if (stat.type === "candidate-pair" && stat.nominated && stat.state === "succeeded") {
        now.rttMs = Math.max(now.rttMs, 1000 * (stat.currentRoundTripTime ?? 0));
      }
    }
    onQuality(judge(before, now));
    before = now;
  }, EVERY_MS);
  return () => clearInterval(timer);
}

/**
 * The score of one interval: the R factor of ITU-T G.107 in its usual simplification (delay above 160 ms and loss cost),
 * as 4 good (80 and more), 3 fair (70), 2 poor (60), 1 bad, 0 nothing arrives.
 */
export function judge(before, now) {
  const received = Math.max(0, now.received - before.received);
  const lost = Math.max(0, now.lost - before.lost);
  const loss = received + lost > 0 ? (100 * lost) / (received + lost) : 0;
  const lossPercent = Math.max(loss, now.remoteLoss);
  const delay = now.rttMs / 2 + 2 * now.jitterMs + 10;
  const r = 93.2 - (delay < 160 ? delay / 40 : (delay - 120) / 10) - 2.5 * lossPercent;
  let score = r >= 80 ? 4 : r >= 70 ? 3 : r >= 60 ? 2 : 1;
  if (received === 0) score = 0;
  return {
    score,
    rttMs: Math.round(now.rttMs),
    jitterMs: Math.round(now.jitterMs),
    lossPercent: Math.round(10 * lossPercent) / 10,
  };
}
