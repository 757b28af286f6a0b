// What is told of a split training: bytes by what they are for, and bits by channel over the steps.
import type { Traffic } from './link.ts';
import type { FrameBytes } from './traffic.ts';

/** Bits after a step: of each channel (or position), at each crossing. */
export interface BitsAt {
  readonly step: number;
  readonly bits: readonly (readonly number[])[];
}

/** How a training went, for reports. */
export interface SplitCourse {
  /** Bytes over the line, both ways, after each step. */
  readonly bytes: readonly number[];
  /** Mean bits after each step, at each crossing; none where f32 is sent. */
  readonly meanBits: readonly (readonly number[])[];
  /** Bits by channel after some of the steps, the last one among them. */
  readonly bits: readonly BitsAt[];
}

/** What went over the line, by what it was for. */
export interface SplitTraffic extends Traffic {
  readonly frames: FrameBytes;
  /** All that was not in frames: heads of messages, targets, adapters, what came twice. */
  readonly otherBytes: number;
  /** What f32 would have taken in frames' place, less what they took. */
  readonly savedBytes: number;
}

export function trafficOf(traffic: Traffic, frames: FrameBytes): SplitTraffic {
  const { payload, ranges, maps, headers, asF32 } = frames;
  const inFrames = payload + ranges + maps + headers;
  const otherBytes = traffic.sentBytes + traffic.receivedBytes - inFrames;
  return { ...traffic, frames, otherBytes, savedBytes: asF32 - inFrames };
}

/** What is told of the way to the server after a step. */
export interface WayReport {
  readonly traffic: SplitTraffic;
  /** At the entry of the server's layers, and, U-shaped, where they end; none of f32. */
  readonly meanBits: readonly number[];
}

/** Most steps whose bits are kept: more would not be seen in a picture. */
const MOST_KEPT = 256;

const mean = (bits: Uint8Array) => bits.reduce((sum, b) => sum + b, 0) / bits.length;

export class CourseKeeper {
  readonly #bytes: number[] = [];
  readonly #meanBits: number[][] = [];
  #kept: BitsAt[] = [];
  #last?: BitsAt;
  /** Bits of every so many steps are kept. */
  #stride = 1;

  /** Takes a step in; returns its mean bits. */
  add(
    step: number,
    { sentBytes, receivedBytes }: Traffic,
    bits: readonly Uint8Array[],
  ): readonly number[] {
    const means = bits.map(mean);
    this.#bytes.push(sentBytes + receivedBytes);
    this.#meanBits.push(means);
    this.#last = { step, bits: bits.map((one) => [...one]) };
    if (this.#bytes.length % this.#stride === 0) this.#keep(this.#last);
    return means;
  }

  #keep(one: BitsAt): void {
    this.#kept.push(one);
    if (this.#kept.length <= MOST_KEPT) return;
    this.#kept = this.#kept.filter((_, i) => i % 2 === 1);
    this.#stride *= 2;
  }

  get course(): SplitCourse {
    const bits = this.#kept.filter((one) => one !== this.#last);
    if (this.#last) bits.push(this.#last);
    return { bytes: [...this.#bytes], meanBits: [...this.#meanBits], bits };
  }
}
