// The bench's IVR on Node's ari-client, as a user of that library would write it.
// Arguments: base URL, user, password, application, menu and done (sounds). Prints `ready` when calls are served.
'use strict';
const client = require('ari-client');

const [url, user, password, application, menu, done] = process.argv.slice(2);
const complain = (error) => console.error(`call failed: ${error.message}`);

client.connect(url, user, password).then((ari) => {
  ari.on('StasisStart', async (event, channel) => {
    try {
      const first = ari.Playback();
      channel.once('ChannelDtmfReceived', async (pressed) => {
        try {
          await first.stop();
          if (pressed.digit !== '1') {
            await channel.hangup();
            return;
          }
          const second = ari.Playback();
          second.once('PlaybackFinished', () => channel.hangup().catch(complain));
          await channel.play({ media: done }, second);
        } catch (error) {
          complain(error);
        }
      });
      await channel.answer();
      await channel.play({ media: menu }, first);
    } catch (error) {
      complain(error);
    }
  });
  return ari.start(application).then(() => console.log('ready'));
}).catch((error) => {
  console.error(error);
  process.exit(1);
});
