const { parentPort, workerData } = require('node:worker_threads');

let sum = 0;
for (let n = 0; n < 100000; n++) sum += n * workerData;
parentPort.postMessage(sum);
