// What every data set becomes: conversations of turns, with questions whose evidence is known.
import { OptionError } from '../../errors.ts';

export interface Question {
  readonly question: string;
  /** The right answer; for questions about what was never said, that it wasn't. */
  readonly answer: string;
  /** Topic or category, where the data set has them. */
  readonly topic?: string;
  /** Indices of the turns that state the answer. */
  readonly evidence: readonly number[];
}

export interface Turn {
  /** Exactly as the model reads it, its line break included. */
  readonly line: string;
  /** What stands in `line` before the turn itself: a session's date. Segments leave it out. */
  readonly heading?: string;
}

export interface Dialogue {
  readonly id: string;
  readonly turns: readonly Turn[];
  readonly questions: readonly Question[];
  /** Evidence that names no turn of the conversation, left out. */
  readonly droppedEvidence?: number;
}

/** The right answer where the conversation holds none. */
export const NOT_MENTIONED = 'not mentioned';

/** One published format. */
export interface DatasetFormat {
  readonly name: string;
  /** Whether one conversation of a file looks like this format's. */
  recognises(item: Record<string, unknown>): boolean;
  /**
   * A conversation. Throws through `refuse` where it is not of the format, saying what was
   * expected.
   */
  read(item: Record<string, unknown>, id: string, refuse: Refuse): Dialogue;
}

/** Throws an OptionError that names the file and the conversation. */
export type Refuse = (why: string) => never;

/** An object's entry as an object, else undefined. */
export function objectOf(value: unknown): Record<string, unknown> | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** A non-empty array of objects. Refuses anything else. */
export function objectsOf(value: unknown, what: string, refuse: Refuse): Record<string, unknown>[] {
  if (!Array.isArray(value) || value.length === 0)
    refuse(`expected '${what}', an array with at least one entry`);
  const bad = (value as unknown[]).findIndex((v) => !objectOf(v));
  if (bad >= 0)
    refuse(
      `${what}[${bad}] is ${JSON.stringify((value as unknown[])[bad])?.slice(0, 40)}, expected ` +
        `an object`,
    );
  return value as Record<string, unknown>[];
}

/** A turn of a published conversation, as EpiCache writes it. */
export function saidLine(speaker: string, text: string): string {
  return `${speaker} said, "${text.replaceAll(/\s+/g, ' ').trim()}"\n`;
}

/** A turn, with its session's date in front where it is the session's first. */
export function turnOf(speaker: string, text: string, heading: string): Turn {
  return heading === ''
    ? { line: saidLine(speaker, text) }
    : { line: heading + saidLine(speaker, text), heading };
}

/** A turn without what stands before it. */
export function saidIn(turn: Turn): string {
  return turn.line.slice(turn.heading?.length ?? 0);
}

/** What LoCoMo and REALTALK have alike: `sessions` of turns, and questions under 'qa'. */
export function readSpoken(
  item: Record<string, unknown>,
  sessions: Record<string, unknown>,
  headingOf: (session: number, first: Record<string, unknown>) => string,
  textOf: (turn: Record<string, unknown>) => string,
  refuse: Refuse,
): Omit<Dialogue, 'id'> {
  const { turns, ids } = readSessions(sessionsOf(sessions), headingOf, textOf, refuse);
  return { turns, ...questionsOf(item, ids, refuse) };
}

/** The questions under 'qa'. */
function questionsOf(
  item: Record<string, unknown>,
  turnIds: ReadonlyMap<string, number>,
  refuse: Refuse,
): Pick<Dialogue, 'questions' | 'droppedEvidence'> {
  const dropped = { count: 0 };
  const questions = objectsOf(item.qa, 'qa', refuse).map((q, i) =>
    questionOf(q, `qa[${i}]`, turnIds, dropped, refuse),
  );
  return { questions, droppedEvidence: dropped.count };
}

/** One of them: evidence by turn ids such as 'D4:13', now and then malformed. */
function questionOf(
  item: Record<string, unknown>,
  at: string,
  turnIds: ReadonlyMap<string, number>,
  dropped: { count: number },
  refuse: Refuse,
): Question {
  if (typeof item.question !== 'string') refuse(`${at} has no 'question'`);
  const adversarial = item.answer === undefined && item.adversarial_answer !== undefined;
  const { answer } = item;
  if (!adversarial && typeof answer !== 'string' && typeof answer !== 'number')
    refuse(`${at} has no 'answer'`);
  const evidence = new Set<number>();
  const cited = Array.isArray(item.evidence)
    ? item.evidence
    : item.evidence === undefined || item.evidence === null
      ? []
      : [item.evidence];
  for (const entry of cited) {
    // several ids in one entry, leading zeros and stray colons are read as what they mean
    const ids =
      typeof entry === 'string' ? [...entry.matchAll(/D:?\s*0*(\d+)\s*:\s*0*(\d+)/gi)] : [];
    if (ids.length === 0) dropped.count++;
    for (const [, session, turn] of ids) {
      const index = turnIds.get(`D${session}:${turn}`);
      if (index === undefined) dropped.count++;
      else evidence.add(index);
    }
  }
  return {
    question: item.question as string,
    answer: adversarial ? NOT_MENTIONED : String(answer),
    ...(item.category !== undefined && { topic: String(item.category) }),
    evidence: [...evidence].sort((a, b) => a - b),
  };
}

/**
 * Sessions 'session_1', 'session_2', ... of an object, in order of their numbers. Dates without a
 * session are left out.
 */
export function sessionsOf(
  item: Record<string, unknown>,
): { readonly number: number; readonly turns: unknown[] }[] {
  return Object.entries(item)
    .flatMap(([key, value]) => {
      const match = /^session_(\d+)$/.exec(key);
      return match && Array.isArray(value)
        ? [{ number: Number(match[1]), turns: value as unknown[] }]
        : [];
    })
    .sort((a, b) => a.number - b.number);
}

/** Reads sessions into turns, and which index each turn id has. */
function readSessions(
  sessions: readonly { readonly number: number; readonly turns: unknown[] }[],
  headingOf: (session: number, first: Record<string, unknown>) => string,
  textOf: (turn: Record<string, unknown>) => string,
  refuse: Refuse,
): { turns: Turn[]; ids: Map<string, number> } {
  const turns: Turn[] = [];
  const ids = new Map<string, number>();
  for (const { number, turns: own } of sessions) {
    own.forEach((value, i) => {
      const turn = objectOf(value);
      if (!turn)
        return refuse(
          `session_${number}[${i}] is ${JSON.stringify(value)?.slice(0, 40)}, expected an object`,
        );
      if (typeof turn.speaker !== 'string')
        return refuse(`session_${number}[${i}] has no 'speaker'`);
      if (typeof turn.dia_id === 'string') ids.set(turn.dia_id.trim(), turns.length);
      turns.push(turnOf(turn.speaker, textOf(turn), i === 0 ? headingOf(number, turn) : ''));
    });
  }
  if (turns.length === 0) refuse("expected sessions 'session_1', 'session_2', ... with turns");
  return { turns, ids };
}

/** A text and, after it, what a picture shows. */
export function withCaption(text: unknown, caption: unknown): string {
  const said = typeof text === 'string' ? text.trim() : '';
  return typeof caption === 'string' && caption.trim() !== ''
    ? `${said}${said === '' ? '' : ' '}[shares ${caption.trim()}]`
    : said;
}

/** The error of a conversation that cannot be read. */
export function refuseIn(name: string, where: string): Refuse {
  return (why) => {
    throw new OptionError(`${name}${where}: ${why}`);
  };
}
