// What shaders know of weight types: of those alone that a kernel is wanted for, as compilers take
// long over others that are cut away. A type has its file in shaders/weights/, with
//
//   fn TYPE_weights(w: Weight, row: u32, c: u32) -> vec4<f32>   numbers c .. c + 3 of a row
//   const TYPE_partner   how far behind a number lies the one whose code is in the same word: who
//                        reads both reads the word once
import { weightTexts } from '../../../build/generated/shaders.ts';
import { type WeightType, weightTypes } from '../dtype.ts';

/** Types as bits, by their numbers. */
export const kindsOf = (types: readonly Pick<WeightType, 'number'>[]): number =>
  types.reduce((bits, { number }) => bits | (1 << number), 0);

/** What a shader that uses lib/weights needs besides, c % 4 == 0: zeros behind a row's end. */
export function weightShader(kinds: number): string {
  const types = weightTypes.filter(({ number }) => (kinds >> number) & 1);
  const texts = new Set(types.flatMap(({ name }) => weightTexts[name]));
  const cases = (of: (name: string) => string) =>
    types.map(({ name, number }) => `case ${number}: { return ${of(name)}; }`).join('\n');
  return [
    ...texts,
    'fn weight4(w: Weight, row: u32, c: u32) -> vec4<f32> { switch w.kind {',
    cases((name) => `${name}_weights(w, row, c)`),
    'default: { return vec4<f32>(); } } }',
    'fn partner_of(kind: u32) -> u32 { switch kind {',
    cases((name) => `${name}_partner`),
    'default: { return 4; } } }',
  ].join('\n');
}
