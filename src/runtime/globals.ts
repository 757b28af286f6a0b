// Names of the platform that public types mention, for consumers whose `lib` has neither DOM nor
// esnext.disposable. Where they are declared already these merge with them and add nothing.

declare global {
  interface SymbolConstructor {
    readonly dispose: unique symbol;
    readonly asyncDispose: unique symbol;
  }
  interface AbortSignal {}
  interface Blob {}
  interface Headers {}
  interface Request {}
  interface Response {}
  interface URL {}
  interface SharedArrayBuffer {}
  namespace WebAssembly {
    interface Module {}
    interface Memory {}
    interface Instance {}
  }
}

export {};
