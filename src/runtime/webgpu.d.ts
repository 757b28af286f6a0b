// npm's webgpu, which is there only where somebody installed it.
declare module 'webgpu' {
  export function create(flags: readonly string[]): GPU;
}
