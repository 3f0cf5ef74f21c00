const { parentPort, workerData } = require('node:worker_threads');

let sum = 0;
for (let n = workerData; n < workerData + 25; n++) sum += n * n;
parentPort.postMessage(sum);
