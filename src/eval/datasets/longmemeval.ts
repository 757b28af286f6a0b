// LongMemEval (arXiv 2410.10813): a haystack of chat sessions a question; the answer stands in some
// of them.
import { type DatasetFormat, NOT_MENTIONED, objectsOf, type Turn, turnOf } from './dataset.ts';

export const longmemeval: DatasetFormat = {
  name: 'longmemeval',
  recognises: (item) => Array.isArray(item.haystack_sessions),
  read(item, id, refuse) {
    if (!Array.isArray(item.haystack_sessions) || item.haystack_sessions.length === 0)
      refuse("expected 'haystack_sessions', an array of sessions");
    if (typeof item.question !== 'string') refuse("expected 'question'");
    const name = String(item.question_id ?? id);
    const absent = name.endsWith('_abs');
    if (typeof item.answer !== 'string' && typeof item.answer !== 'number' && !absent)
      refuse("expected 'answer'");
    const listOf = (value: unknown) => (Array.isArray(value) ? value.map(String) : []);
    const [dates, sessionIds, answerIds] = [
      item.haystack_dates,
      item.haystack_session_ids,
      item.answer_session_ids,
    ].map(listOf);
    const turns: Turn[] = [];
    const stated: number[] = [];
    const inAnswerSessions: number[] = [];
    (item.haystack_sessions as unknown[]).forEach((session, s) => {
      // a session without turns says nothing
      if (Array.isArray(session) && session.length === 0) return;
      objectsOf(session, `haystack_sessions[${s}]`, refuse).forEach((turn, t) => {
        if (typeof turn.role !== 'string' || typeof turn.content !== 'string')
          refuse(`haystack_sessions[${s}][${t}] needs 'role' and 'content'`);
        if (turn.has_answer === true) stated.push(turns.length);
        if (answerIds.includes(sessionIds[s])) inAnswerSessions.push(turns.length);
        turns.push(
          turnOf(
            turn.role as string,
            turn.content as string,
            t === 0 && dates[s] !== undefined ? `Session ${s + 1}, ${dates[s]}\n` : '',
          ),
        );
      });
    });
    if (turns.length === 0) refuse('the conversation is empty: its sessions have no turns');
    const known = answerIds.filter((a) => sessionIds.includes(a));
    const question = {
      question: item.question as string,
      answer: absent ? NOT_MENTIONED : String(item.answer),
      ...(item.question_type !== undefined && { topic: String(item.question_type) }),
      evidence: stated.length > 0 ? stated : inAnswerSessions,
    };
    return {
      id: name,
      turns,
      questions: [question],
      droppedEvidence: answerIds.length - known.length,
    };
  },
};
