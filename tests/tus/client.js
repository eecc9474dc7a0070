// tus-js-client as an application uses it. As a program it uploads a file, or resumes an earlier run's
// upload:
//
//   node client.js ENDPOINT FILE NAME STORAGE    STORAGE remembers uploads; prints the number of requests by method
import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import tus from 'tus-js-client';

// The number of attempts without progress, and the pauses before them in milliseconds. Together they outlast
// a restart of the service on a busy machine.
const RETRY_DELAYS = [0, 20, 50, 100, 200, 500, 1000, 1000, 2000, 2000, 5000, 5000];

/** An upload to the ISO store, not started. `requests` counts its requests; `finished` settles at its end. */
export function upload(endpoint, source, name, options = {}) {
  const requests = {};
  let upload;
  const finished = new Promise((resolve, reject) => {
    upload = new tus.Upload(source, {
      endpoint,
      metadata: { filename: name, store: 'iso' },
      retryDelays: RETRY_DELAYS,
      onBeforeRequest(request) {
        requests[request.getMethod()] = (requests[request.getMethod()] ?? 0) + 1;
      },
      onSuccess: resolve,
      onError: reject,
      ...options,
    });
  });
  return { upload, requests, finished };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [endpoint, file, name, storage] = process.argv.slice(2);
  const running = upload(endpoint, createReadStream(file), name, {
    urlStorage: new tus.FileUrlStorage(storage),
  });
  const [previous] = await running.upload.findPreviousUploads();
  if (previous) running.upload.resumeFromPreviousUpload(previous);
  running.upload.start();
  await running.finished;
  console.log(JSON.stringify(running.requests));
}
