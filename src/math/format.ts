// Byte counts as people write them.

const UNITS = {
  B: 1,
  KB: 2 ** 10,
  MB: 2 ** 20,
  GB: 2 ** 30,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
} as const;

/** '64MB' -> 67108864 (units of 1024); undefined where the text is no byte count. */
export function parseBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([kmg]i?b|b)\s*$/i.exec(text);
  if (!match) return undefined;
  return Math.floor(Number(match[1]) * UNITS[match[2].toUpperCase() as keyof typeof UNITS]);
}

/** 67108864 -> '64.0 MB', rounded up so that the text is never less than the number. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const [unit, size] =
    bytes < 2 ** 20 ? ['KB', 2 ** 10] : bytes < 2 ** 30 ? ['MB', 2 ** 20] : ['GB', 2 ** 30];
  return `${(Math.ceil((bytes / Number(size)) * 10) / 10).toFixed(1)} ${unit}`;
}
