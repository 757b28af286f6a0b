// The error classes: one for each reaction a caller can have. Every message says what was found,
// what was expected and what to do. An aborted call rejects with the platform's AbortError (the
// signal's reason), never with one of these.

/** Base of all errors that recollect throws on purpose. */
export class RecollectError extends Error {
  override name = 'RecollectError';
}

/** An option or argument is wrong: change the call. */
export class OptionError extends RecollectError {
  override name = 'OptionError';
}

/** The model file is damaged or lies about itself: get another copy. */
export class ModelFormatError extends RecollectError {
  override name = 'ModelFormatError';
}

/**
 * The file is fine but needs something that recollect does not have: choose another model or
 * runtime.
 */
export class UnsupportedError extends RecollectError {
  override name = 'UnsupportedError';
}

/** The budget cannot hold what was asked: raise it or ask for less. */
export class BudgetError extends RecollectError {
  override name = 'BudgetError';
}

/** The tokens do not fit: shorten the prompt, or choose a policy that evicts. */
export class ContextError extends RecollectError {
  override name = 'ContextError';
}

/** Memory or a device could not be had. */
export class DeviceError extends RecollectError {
  override name = 'DeviceError';
}

/**
 * A server could not be reached, or did not deliver all it has: try again, or look at the network.
 */
export class NetworkError extends RecollectError {
  override name = 'NetworkError';
}

/** The other side of a connection sent what it should not: update the older of both. */
export class ProtocolError extends RecollectError {
  override name = 'ProtocolError';
}

/** Stored episodes could not be written or read back. */
export class StoreError extends RecollectError {
  override name = 'StoreError';
}

/** An error as it goes from one thread to another. */
export interface Failure {
  readonly name: string;
  readonly message: string;
}

export function failureOf(error: unknown): Failure {
  return error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: 'Error', message: String(error) };
}

/** The error again, of its class where it is one of these. */
export function errorOf({ name, message }: Failure): Error {
  const classes = [
    OptionError,
    ModelFormatError,
    UnsupportedError,
    BudgetError,
    ContextError,
    DeviceError,
    NetworkError,
    ProtocolError,
    StoreError,
  ];
  const found = classes.map((Class) => new Class(message)).find((error) => error.name === name);
  return found ?? Object.assign(new Error(message), { name });
}
