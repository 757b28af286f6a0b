// Time that this process worked: what other processes of the machine take does not count, as it
// does by the clock.
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
