// A device by aws-iot-device-sdk that is told what to do in lines of JSON, and tells what happens.

'use strict';

const readline = require('readline');
const { device } = require('aws-iot-device-sdk');

const say = (event, more) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n');
const client = device(JSON.parse(process.argv[2]));

for (const event of ['connect', 'close', 'offline', 'reconnect']) {
  client.on(event, () => say(event));
}
client.on('error', (error) => say('error', { message: String(error) }));
client.on('message', (topic, payload) => say('message', { topic, payload: payload.toString() }));

const commands = {
  subscribe: ({ topic, qos }) =>
    client.subscribe(topic, { qos }, (error, granted) => say('subscribed', { granted })),
  publish: ({ topic, payload, qos }) =>
    client.publish(topic, payload, { qos }, (error) => say('published', { error: error && String(error) })),
  end: () => client.end(true, () => process.exit(0)),
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
}).on('close', () => process.exit(0));
