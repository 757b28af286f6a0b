// Our own conversations (models/README.md draws the format): {"turns": [{"line"}], "questions":
// [{"question", "answer", "evidence"}]}.
import { type DatasetFormat, objectOf, objectsOf } from './dataset.ts';

export const recollect: DatasetFormat = {
  name: 'recollect',
  recognises: (item) => Array.isArray(item.turns),
  read(item, id, refuse) {
    if (!Array.isArray(item.turns)) refuse("expected an object with 'turns'");
    const turns = item.turns as { line: string }[];
    if (turns.length === 0) refuse('the conversation is empty: it has no turns');
    const bad = turns.findIndex((turn) => typeof objectOf(turn)?.line !== 'string');
    if (bad >= 0) refuse(`turn ${bad} has no 'line', the text as the model reads it`);
    let droppedEvidence = 0;
    const questions = objectsOf(item.questions, 'questions', refuse).map((q, i) => {
      if (
        typeof q.question !== 'string' ||
        (typeof q.answer !== 'string' && typeof q.answer !== 'number')
      )
        refuse(`question ${i} needs 'question' and 'answer'`);
      const cited: unknown[] = Array.isArray(q.evidence) ? q.evidence : [];
      const evidence = cited.filter((e): e is number => turns[e as number] !== undefined);
      droppedEvidence += cited.length - evidence.length;
      return {
        question: q.question as string,
        answer: String(q.answer),
        topic: q.topic as string | undefined,
        evidence,
      };
    });
    return { id: String(item.id ?? id), turns, questions, droppedEvidence };
  },
};
