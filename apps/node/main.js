const { Worker } = require('node:worker_threads');

const part = (first) => new Promise((resolve, reject) => {
  const worker = new Worker(require.resolve('./worker.js'), { workerData: first });
  worker.on('message', resolve);
  worker.on('error', reject);
});

console.log('hello from node');
Promise.all([1, 26, 51, 76].map(part)).then((sums) => {
  console.log('sums of squares:', sums.reduce((a, b) => a + b));
});
