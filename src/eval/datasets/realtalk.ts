// REALTALK (arXiv 2502.13270): sessions at the top level, questions under 'qa' as in LoCoMo.
import { type DatasetFormat, objectOf, readSpoken, sessionsOf, withCaption } from './dataset.ts';

export const realtalk: DatasetFormat = {
  name: 'realtalk',
  recognises: (item) => sessionsOf(item).length > 0,
  read(item, id, refuse) {
    const dateOf = (session: number, first: Record<string, unknown>) =>
      typeof first.date_time === 'string' ? `Session ${session}, ${first.date_time.trim()}\n` : '';
    const pictured = (turn: Record<string, unknown>) =>
      turn.blip_caption ?? (hasPicture(turn) ? 'a picture' : undefined);
    const textOf = (turn: Record<string, unknown>) => withCaption(turn.clean_text, pictured(turn));
    const name = objectOf(item.name);
    const speakers = [name?.speaker_1, name?.speaker_2].filter((s) => typeof s === 'string');
    return {
      id: speakers.length > 0 ? speakers.join(' and ') : id,
      ...readSpoken(item, item, dateOf, textOf, refuse),
    };
  },
};

/** A turn without words that shows something. */
function hasPicture({ clean_text, img_file, img_url }: Record<string, unknown>): boolean {
  const shown = (value: unknown) =>
    Array.isArray(value) ? value.length > 0 : typeof value === 'string' && value !== '';
  return (
    (typeof clean_text !== 'string' || clean_text.trim() === '') &&
    (shown(img_file) || shown(img_url))
  );
}
