/**
 * The server has a training at the beginning of a step, and not what it was asked since: that is
 * asked again. Nobody outside hears of it.
 */
export class Rewound extends Error {
  override name = 'Rewound';
}
