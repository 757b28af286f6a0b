// SnapKV (arXiv 2404.14469): rows that the last 64 queries attend to, smoothed over neighbours; the
// window itself is kept.
import { definePolicy } from './define.ts';

export const snapkv = definePolicy({
  name: 'snapkv',
  summary: 'rows that the last 64 queries attend to, smoothed (arXiv 2404.14469)',
  observe: { queries: 'last', count: 64 },
  pool: 5,
  protect: { recent: 64 },
});
