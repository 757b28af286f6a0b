// What a bench is: something measured, with its rate, its share of the machine's limit in the same
// run, and a note for people.

export interface Measurement {
  readonly name: string;
  /** Median over rounds, in `unit`. */
  readonly rate: number;
  readonly unit: 'GFLOP/s' | 'GB/s' | 'tokens/s' | 'ms' | '%' | 'count' | 'bytes';
  /** Share of the limit measured in the same run, 0 to 1; undefined where there is none. */
  readonly share?: number;
  readonly limit?: string;
  /** Others that did the same in the same run, in the same unit. */
  readonly peers?: readonly { readonly name: string; readonly rate: number }[];
  readonly note?: string;
  /** Where it stands in a plot over something that grows. */
  readonly at?: { readonly series: string; readonly x: number };
}

export interface BenchGroup {
  readonly name: string;
  readonly summary: string;
  run(report: (m: Measurement) => void): Promise<void>;
}

export interface Limits {
  /** f32 multiply-adds from registers and L1, GFLOP/s. */
  readonly tileGflops: number;
  /** Bytes read from main memory, GB/s. */
  readonly readGbs: number;
}
