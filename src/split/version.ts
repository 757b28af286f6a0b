/** Of what both sides say to each other: those of another version do not understand. */
export const VERSION = 2;
