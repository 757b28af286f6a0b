// What frames are made of in bytes, counted as they go and come.
import { framePartsOf } from './codec/frame.ts';

/** Bytes of frames, by what they are for. */
export interface FrameBytes {
  /** Numbers that were rounded, or f32. */
  readonly payload: number;
  /** lo and hi of channels. */
  readonly ranges: number;
  /** Bits of channels, and which tokens were sent. */
  readonly maps: number;
  readonly headers: number;
  /** What the same hidden states and gradients take as f32, without anything beside them. */
  readonly asF32: number;
}

export class FrameCounts {
  readonly #lanes: number;
  #sum = { payload: 0, ranges: 0, maps: 0, headers: 0, asF32: 0 };

  /** `lanes`: numbers that have bits of their own. */
  constructor(lanes: number) {
    this.#lanes = lanes;
  }

  get sum(): FrameBytes {
    return { ...this.#sum };
  }

  /** Counts a whole frame that was written, or read, here. */
  add(frame: Uint8Array): void {
    const parts = framePartsOf(frame, this.#lanes);
    for (const name of Object.keys(this.#sum) as (keyof FrameBytes)[])
      this.#sum[name] += parts[name];
  }
}
