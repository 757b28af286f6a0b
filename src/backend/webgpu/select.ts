// From scores to the rows that stay: chosen on the device, which alone knows how many there are.
import type { Backend } from '../backend.ts';
import { wordOffset as word } from './heap.ts';
import type { Recorder } from './recorder.ts';
import {
  boundsOfShare,
  type DeviceScores,
  type DeviceSelection,
  deviceScores,
  deviceSelection,
  headWords,
} from './rows.ts';
import { readHeads } from './scores.ts';

type SelectOps = Pick<Backend, 'select' | 'readSelection'>;

/** What shaders/select.wgsl is asked for. */
interface Choice {
  /** Heads that are chosen from together. */
  readonly each: number;
  /** Rows of each head on average, and first tokens on top. */
  readonly wanted: number;
  readonly sinks: number;
  /** Where indices go; where not given, chosen rows get score infinity. */
  readonly kept?: number;
}

export function selectOps(recorder: Recorder): SelectOps {
  function choose({ address, rows, unscored }: DeviceScores, choice: Choice): void {
    const { each, wanted, sinks, kept } = choice;
    const marks = kept === undefined ? 1 : 0;
    recorder.dispatch(
      recorder.kernels.get('select', 'ww'),
      [address, rows.part.notes],
      [
        ...headWords(rows, unscored),
        ...[marks, each, word(address), word(kept ?? 0), wanted, sinks],
      ],
      rows.kvHeads / each,
    );
  }

  return {
    select(kept, _, given, share): DeviceSelection {
      const scores = deviceScores(given);
      const { rows } = scores;
      const { rows: wanted, sinks, safeguard } = share;
      if (share.heads === 'uniform') choose(scores, { each: 1, wanted, sinks, kept });
      else {
        const certain = Math.floor(safeguard * wanted);
        if (certain > 0) choose(scores, { each: 1, wanted: certain, sinks: 0 });
        choose(scores, { each: rows.kvHeads, wanted, sinks, kept });
      }
      return { address: kept, rows, bounds: boundsOfShare(rows, share) };
    },

    async readSelection(selection) {
      const { address, rows } = deviceSelection(selection);
      const [heads, all] = await Promise.all([
        readHeads(recorder, rows),
        recorder.read(address, rows.capacity * 4),
      ]);
      return heads.map(({ at, kept }) => new Int32Array(all).slice(at, at + kept));
    },
  };
}
