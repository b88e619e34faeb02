// rappel-voice.js: talking from the page. Loaded only when a visitor wants to, by rappel.js or by a page of your own.
//
//   const microphone = await RappelVoice.openMicrophone({ onLevel: (level) => … });   // 0 to 1, for a bar
//   const call = RappelVoice.startCall({
//     base: "https://calls.example",      // where Rappel is
//     ticket: "…",                        // or a function that fetches one (a promise of it): it is asked for last
//     microphone,                         // optional: without it the microphone is asked for first
//     language: "fr",
//     onState(state, detail) {},          // microphone, connecting, ringing, talking, then ended or failed, once
//     onQuality({ score, rttMs, lossPercent, jitterMs }) {},   // score: 4 good … 1 bad, 0 interrupted
//     onLevel(level) {},
//   });
//   call.hangup(); call.dtmf("5"); call.mute(true);
//
// `detail` of failed: { code, text, instead }; `text` says in words what to do, `instead`: offer to be called.
import { startCall } from "./call.js";
import { openMicrophone } from "./microphone.js";

globalThis.RappelVoice = { startCall, openMicrophone };
