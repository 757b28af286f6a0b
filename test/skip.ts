// Tests that cannot run here, with the reason; the runner lists them.
export const skips: { file: string; name: string; reason: string }[] = [];

export function skip(file: string, name: string, reason: string): void {
  skips.push({ file, name, reason });
}
