// recollect split-serve: the upper layers of a model, for clients that train the lower ones.
import { formatBytes } from '../../math/format.ts';
import * as kinds from '../../options/kinds.ts';
import { option } from '../../options/table.ts';
import { halfTable, loadHalf } from '../../split/load.ts';
import { cutTable, serveTable } from '../../split/options.ts';
import { SplitServer } from '../../split/server.ts';
import { openSplitStore } from '../../split/store/open-store.ts';
import { defineCommand } from '../command.ts';
import { aboutModels } from '../load.ts';
import { listen } from '../split-listen.ts';

const own = {
  ...cutTable,
  port: option(kinds.whole(0, 65535), {
    default: 8765,
    flag: 'port N',
    summary: 'port to listen at; 0: any that is free',
  }),
  host: option(kinds.filledText, {
    default: '127.0.0.1',
    flag: 'host NAME',
    summary: 'address to listen at; others than this machine need one of its own',
  }),
};
export const splitServe = defineCommand({
  name: 'split-serve',
  summary: 'the upper layers of a model, for clients that train with them',
  operands: ['MODEL'],
  about: aboutModels,
  groups: {
    own: { title: '', table: own },
    serve: { title: 'Clients', table: serveTable },
    load: { title: 'Loading', table: halfTable },
  },
  intro: `
Loads the layers from C on and lets clients train with them (split-train), each
with adapters of its own, a batch of each in turn. Clients show the token. What
is sent is not encrypted: beyond this machine put a proxy in front that is.
What a server can see of the texts: docs/split.md.`,
  async run([input], { own: { cut, labels, port, host }, serve, load }, terminal) {
    const { signal } = terminal;
    const model = await loadHalf(input, 'server', { cut, labels }, { ...load, signal });
    try {
      const { stall, lease, memory, store: place, ...rest } = serve;
      const leaseMs = lease * 1000;
      const store = place === undefined ? undefined : await openSplitStore(place, leaseMs);
      const server = new SplitServer(model, {
        ...rest,
        memory: Number(memory),
        stallMs: stall * 1000,
        leaseMs,
        ...(store && { store }),
      });
      const listening = await listen(server, { host, port });
      terminal.print(`ws://${host}:${listening.port}`);
      terminal.note(
        `layers ${cut} to ${model.config.layers - 1} of ${model.config.name}, ` +
          `${formatBytes(model.network.weights.bytes)}; labels at the ${labels}; at most ` +
          `${rest.clients} clients`,
      );
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      server.dispose();
      await listening.close();
      await store?.close();
    } finally {
      model.dispose();
    }
  },
});
