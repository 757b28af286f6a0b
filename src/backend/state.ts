// What a model keeps of the tokens it has seen, whatever its layers keep: rows of keys and values
// (cache.ts), which know their tokens and can be cut behind any of them, or a fixed number of
// bytes, which can only be marked and put back. Nobody asks which it is to undo, store or restore.

/**
 * A point that a state can go back to: the number of the token that came next there, and where what
 * can be cut nowhere has its copy.
 */
export interface Mark {
  readonly token: number;
  readonly slot?: number | undefined;
}

/** How much there is of a state that is saved. */
export interface Extent {
  /** Rows of each head, layer after layer. */
  readonly lengths: readonly number[];
  /**
   * Of rows that share grids: channels of all grids, and of all rows that are not rounded yet.
   * (Layers whose heads differ have grids of several sizes.)
   */
  readonly gridChannels: number;
  readonly slotChannels: number;
}

export interface State {
  /** Bytes reserved; used now, with what lies beside; and the most that were used. */
  readonly bytes: number;
  readonly usedBytes: number;
  readonly peakBytes: number;
  /**
   * Marks where it stands, `token` being the number of the next token. What can be cut nowhere is
   * copied to a slot, whose mark before is forgotten.
   */
  mark(token: number, slot?: number): Mark;
  /**
   * Goes back to a mark in all layers, whatever happened since; what was evicted stays evicted.
   * Gives the rows that each range (cache-shape.ts) has left.
   */
  rewind(mark: Mark): Promise<number[]>;
  /**
   * Goes back in one layer, which has evicted nothing since. Throws RangeError where rows are
   * missing.
   */
  rewindLayer(layer: number, mark: Mark): void;
  /** Forgets all. */
  clear(): void;
  /** Begins to take it out: how much there is. It must stay as it is meanwhile. */
  save(): Promise<Extent>;
  /** Fills memory with the next bytes, as far as there are any. */
  read(into: Uint8Array): Promise<void>;
  /** Forgets all and makes room for another. Throws StoreError where that does not fit. */
  restore(extent: Extent): void;
  /** Puts the next bytes back. Throws StoreError where they make no sense: clear it then. */
  write(bytes: Uint8Array): void;
  /** All was put back: rows of each range. Throws StoreError where some are missing. */
  restored(): number[];
  /** Gives everything back. */
  dispose(): void;
}
