// What web-worker's workers can do in Node only.

/** Where web-worker keeps the Node thread behind a worker. */
const nodeThread = Symbol.for('worker');

/** Whether a worker keeps Node's process alive; elsewhere nothing happens. */
export function holdProcess(worker: object, held: boolean): void {
  const thread = (worker as { [nodeThread]?: { ref(): void; unref(): void } })[nodeThread];
  if (held) thread?.ref();
  else thread?.unref();
}
