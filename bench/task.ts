// What whole engines are measured by: a prompt and a reply. Nothing here needs Node.

/** Tokens a second. */
export interface EngineRate {
  readonly prefill: number;
  readonly decode: number;
}

/** A model of a file, on so many threads, and tokens that it is to take in and to say. */
export interface EngineTask {
  readonly path: string;
  readonly threads: number;
  readonly prompt: number;
  readonly reply: number;
}

/** An engine that holds the task's model, so that several can take turns. */
export interface OpenEngine {
  readonly name: string;
  measure(round: number): Promise<EngineRate>;
  close(): Promise<void>;
}

/** Ids that every vocabulary of the benches has. */
const VOCABULARY = 49000;

/** Another prompt each round, so that no engine can go on with the last one's. */
export const promptOf = (count: number, round: number): number[] =>
  Array.from({ length: count }, (_, i) => (i * 7919 + round) % VOCABULARY);

export const bestOf = (rates: readonly EngineRate[]): EngineRate => ({
  prefill: Math.max(...rates.map((r) => r.prefill)),
  decode: Math.max(...rates.map((r) => r.decode)),
});
