// LoCoMo (arXiv 2402.17753): sessions of two speakers under 'conversation', questions under 'qa'.
import { type DatasetFormat, objectOf, readSpoken, withCaption } from './dataset.ts';

export const locomo: DatasetFormat = {
  name: 'locomo',
  recognises: (item) => objectOf(item.conversation) !== undefined,
  read(item, id, refuse) {
    const conversation =
      objectOf(item.conversation) ?? refuse("expected an object with 'conversation'");
    const dateOf = (session: number) => {
      const date = conversation[`session_${session}_date_time`];
      return typeof date === 'string' ? `Session ${session}, ${date.trim()}\n` : '';
    };
    const textOf = (turn: Record<string, unknown>) => withCaption(turn.text, turn.blip_caption);
    return {
      id: String(item.sample_id ?? id),
      ...readSpoken(item, conversation, dateOf, textOf, refuse),
    };
  },
};
