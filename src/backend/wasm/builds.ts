// Which build of the kernels runs here, compiled. Nothing else knows how the module is loaded.
import { instantiateSync } from '@assemblyscript/loader';
import { runtime } from '#runtime';
import relaxedBytes from '#kernels/relaxed.bytes';
import simdBytes from '#kernels/simd.bytes';
import { DeviceError, OptionError, UnsupportedError } from '../../errors.ts';
import type { Compiled } from './core.ts';

/** Builds that ship inside the package. 'debug' is loaded by tests, as bytes. */
export const builds = ['simd', 'relaxed'] as const;
export type Build = (typeof builds)[number];

/**
 * (module (func (param v128 v128 v128) (result v128) local.get 0 local.get 1 local.get 2
 * f32x4.relaxed_madd))
 */
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0, 10, 13, 1, 11, 0,
  32, 0, 32, 1, 32, 2, 253, 133, 2, 11,
]);

/** (module (func (result v128) i32.const 0 i8x16.splat)) */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15,
  11,
]);

/**
 * The best build that this runtime compiles: relaxed SIMD is in Node from 22 on, in Chromium from
 * 114.
 */
export function detectBuild(): Build {
  if (!WebAssembly.validate(SIMD_PROBE)) {
    throw new DeviceError(
      'this runtime has no WebAssembly SIMD: use Node 20+, Deno, Bun, or a browser from 2023 on',
    );
  }
  return WebAssembly.validate(RELAXED_PROBE) ? 'relaxed' : 'simd';
}

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/**
 * Whether threads can share a memory here: pages need cross-origin isolation for it, some edge
 * runtimes never do.
 */
export function canShareMemory(): boolean {
  return (
    typeof SharedArrayBuffer === 'function' &&
    (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false
  );
}

/**
 * Compiles a build, or a module's bytes (tests), for a memory that is `shared` among threads or
 * not.
 */
export function compileKernels(
  build: Build | 'auto' | Uint8Array<ArrayBuffer> = 'auto',
  shared = false,
): Compiled {
  const chosen = build === 'auto' ? detectBuild() : build;
  if (chosen === 'relaxed' && !WebAssembly.validate(RELAXED_PROBE)) {
    throw new OptionError(
      "build 'relaxed' was asked for, but this runtime has no relaxed SIMD: use build 'simd' or " +
        "'auto'",
    );
  }
  if (typeof chosen !== 'string')
    return { build: 'debug', module: compile(chosen, shared), shared };
  const early = shared ? undefined : compiledEarly?.[chosen];
  if (early instanceof Error) throw early;
  return { build: chosen, module: early ?? compiledOnce(chosen, shared), shared };
}

/** Modules by build and kind of memory: all models of a process have the same. */
const compiled = new Map<string, WebAssembly.Module>();

function compiledOnce(build: Build, shared: boolean): WebAssembly.Module {
  const key = `${build} ${shared}`;
  const module = compiled.get(key) ?? compile(bytesOf(build), shared);
  compiled.set(key, module);
  return module;
}

const bytesOf = (build: Build) => decodeBase64(build === 'relaxed' ? relaxedBytes : simdBytes);

/**
 * Throws UnsupportedError where this place forbids to compile, DeviceError where the bytes cannot
 * be compiled.
 */
function compile(bytes: Uint8Array<ArrayBuffer>, shared: boolean): WebAssembly.Module {
  try {
    return new WebAssembly.Module(shared ? importShared(bytes) : bytes);
  } catch (cause) {
    if (cause instanceof DeviceError) throw cause;
    const { message } = cause as Error;
    // nothing is wrong with them: somebody does not want us to
    if (WebAssembly.validate(bytes))
      throw new UnsupportedError(`${message.replace(/\.$/, '')}: ${runtime.compileAdvice}`, {
        cause,
      });
    throw new DeviceError(
      `the kernels cannot be compiled (${message}): use build 'simd' or a newer runtime`,
      { cause },
    );
  }
}

/** The builds that ship, compiled while modules are loaded, where that is the only time for it. */
const compiledEarly: Partial<Record<Build, WebAssembly.Module | Error>> | undefined =
  runtime.compilesEarly ? compileAll() : undefined;

function compileAll(): Partial<Record<Build, WebAssembly.Module | Error>> {
  const found: Partial<Record<Build, WebAssembly.Module | Error>> = {};
  // detectBuild() says so, to who loads a model
  if (!WebAssembly.validate(SIMD_PROBE)) return found;
  for (const build of ['simd', 'relaxed'] as const) {
    if (build === 'relaxed' && !WebAssembly.validate(RELAXED_PROBE)) continue;
    try {
      found[build] = compile(bytesOf(build), false);
    } catch (error) {
      found[build] = error as Error;
    }
  }
  return found;
}

/**
 * Instantiates with the loader's imports. (Its own exports have helpers beside the kernels: threads
 * number what the module itself has.)
 */
export const instantiate = (
  module: WebAssembly.Module,
  env: { memory: WebAssembly.Memory },
): WebAssembly.Instance => instantiateSync(module, { env }).instance;

const IMPORT_SECTION = 2;
const [FUNCTION_KIND, MEMORY_KIND] = [0, 2];
const [HAS_MAXIMUM, IS_SHARED] = [1, 2];

/**
 * The same module, importing a shared memory: one flag of an import. The code is the same, none of
 * it is atomic.
 */
function importShared(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const out = bytes.slice();
  let at = 8; // magic and version
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = out[at++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < out.length) {
    const section = out[at++];
    const end = number() + at;
    if (section === IMPORT_SECTION) {
      for (let count = number(); count > 0; count--) {
        for (const _ of ['module', 'name']) {
          const length = number();
          at += length;
        }
        const kind = out[at++];
        if (kind === MEMORY_KIND && out[at] === HAS_MAXIMUM) {
          out[at] |= IS_SHARED;
          return out;
        }
        if (kind !== FUNCTION_KIND) break;
        number(); // its type
      }
    }
    at = end;
  }
  throw new DeviceError(
    'the kernels do not import a memory that could be shared: build them with importMemory and ' +
      'maximumMemory',
  );
}
