// What blocks with a state of fixed size ask for.
import type { Backend } from '../../backend/backend.ts';
import type { Recurrent } from '../../backend/recurrent.ts';
import type { Address } from '../../backend/tensor.ts';
import type { Piece } from './block.ts';

/** A backend's recurrent operations. Loading refuses a model where there are none. */
export function recurrentOf({ name, recurrent }: Backend): Recurrent {
  if (!recurrent) throw new RangeError(`backend '${name}' has no recurrent layers`);
  return recurrent;
}

/** Where the state of a piece's layer lies. */
export function stateOf({ pass, layer, from }: Piece): Address {
  if (!pass.stateOf) throw new RangeError(`layer ${layer} was given no state`);
  return pass.stateOf(layer, from);
}
