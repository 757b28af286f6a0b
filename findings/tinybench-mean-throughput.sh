#!/usr/bin/env bash
# tinybench 6.2.5: the mean throughput of a task is not what the task got done in a second.
#
# Guess: throughput and latency are one measurement seen from two sides, so that operations a second
#        are 1000 divided by the milliseconds of the mean latency, and runs divided by total time.
# Seen:  each run's own rate is taken, and the mean of those: a task of 1 ms and 9 ms in turn, 200 a
#        second, is told as 556, its mean latency as 5 ms. Short runs count most, and a run that
#        the clock could not tell from zero is given the rate of the mean latency. The more uneven
#        a task is (garbage collection, the prefill among the tokens), the better it looks.
# Why:   tokens a second of a table made from throughput.mean, or from table(), are too high by the
#        spread of the runs, and engines are ranked by it. recollect's benches use the median.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone tinybench@6.2.5
cat > bench.mjs <<'JS'
import { Bench } from 'tinybench';

/** A clock that the task itself moves on by the given milliseconds, one after the other. */
async function measure(name, durations) {
  let [now, runs] = [0, 0];
  const bench = new Bench({ now: () => now, time: 0, iterations: 100, warmup: false });
  bench.add(name, () => {
    now += durations[runs++ % durations.length];
  });
  await bench.run();
  const { latency, throughput, totalTime } = bench.tasks[0].result;
  console.log(
    `${name}: mean ${latency.mean.toFixed(2)} ms, throughput ${Math.round(throughput.mean)}, ` +
      `really ${Math.round((latency.samplesCount / totalTime) * 1000)} a second`,
  );
}
await measure('even', [5]);
await measure('uneven', [1, 9]);
await measure('one slow in ten', [1, 1, 1, 1, 1, 1, 1, 1, 1, 91]);
await measure('nine too short', [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
JS
output=$(node bench.mjs)
echo "node $(node --version), tinybench 6.2.5"
echo "$output"
[ "$output" = "even: mean 5.00 ms, throughput 200, really 200 a second
uneven: mean 5.00 ms, throughput 556, really 200 a second
one slow in ten: mean 10.00 ms, throughput 901, really 100 a second
nine too short: mean 0.10 ms, throughput 9100, really 10000 a second" ] ||
  { echo 'this has changed'; exit 1; }
