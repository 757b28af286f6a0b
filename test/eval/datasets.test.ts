// Published formats on small files of their shape, with the blemishes that the published files
// have; what is wrong is named.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { lexicalEmbedder } from '../../src/episode/lexical.ts';
import { type Dialogue, NOT_MENTIONED, saidIn } from '../../src/eval/datasets/dataset.ts';
import { datasetFormats, readDialogues } from '../../src/eval/datasets/registry.ts';
import { measureEpisodes } from '../../src/eval/episodes.ts';

const locomo = {
  sample_id: 'conv-1',
  conversation: {
    speaker_a: 'Ida',
    speaker_b: 'Paul',
    session_2: [
      {
        speaker: 'Paul',
        dia_id: 'D2:1',
        text: 'I adopted a cat\nlast week.',
        img_url: ['x'],
        blip_caption: 'a photo of a grey cat',
        query: 'cat',
      },
    ],
    session_2_date_time: '9:10 am on 1 June, 2023',
    session_1_date_time: '1:56 pm on 8 May, 2023',
    session_1: [
      { speaker: 'Ida', dia_id: 'D1:1', text: 'Hi Paul!' },
      { speaker: 'Paul', dia_id: 'D1:2', text: 'My piano exam went well.' },
    ],
    session_3_date_time: '5:00 pm on 9 June, 2023',
    session_10: [{ speaker: 'Ida', dia_id: 'D10:5', text: 'I moved to Bergen.' }],
  },
  qa: [
    { question: 'Which exam did Paul take?', answer: 'piano', evidence: ['D1:2'], category: 4 },
    { question: 'How many cats?', answer: 1, evidence: ['D2:1; D10:5', 'D2:99', 'D'], category: 1 },
    {
      question: 'Which dog did Ida adopt?',
      adversarial_answer: 'a poodle',
      evidence: ['D02:01'],
      category: 5,
    },
    { question: 'What will Paul do next?', answer: 'play', evidence: [], category: 3 },
  ],
};
const realtalk = {
  name: { speaker_1: 'Emi', speaker_2: 'Elise' },
  session_1: [
    {
      clean_text: 'Happy new year',
      speaker: 'Emi',
      date_time: '29.12.2023, 22:42:04',
      dia_id: 'D1:1',
      img_file: [],
      img_url: [],
    },
    {
      clean_text: '',
      speaker: 'Elise',
      date_time: '29.12.2023, 22:43:00',
      dia_id: 'D1:2',
      img_file: ['a.jpg'],
      img_url: [],
    },
  ],
  events_session_1: { Emi: [] },
  session_2: [
    {
      clean_text: 'I started pottery.',
      speaker: 'Elise',
      date_time: '30.12.2023, 08:00:00',
      dia_id: 'D2:1',
    },
  ],
  qa: [{ question: 'What did Elise start?', answer: 'pottery', evidence: ['D2:1'], category: 1 }],
};
const longmemeval = (id: string, extra: object) => ({
  question_id: id,
  question_type: 'single-session-user',
  question: 'What degree did I graduate with?',
  answer: 'Business Administration',
  question_date: '2023/05/30 (Tue) 23:40',
  haystack_dates: ['2023/05/20 (Sat) 02:21', '2023/05/21 (Sun) 10:00'],
  haystack_session_ids: ['a1', 'answer_1'],
  haystack_sessions: [
    [
      { role: 'user', content: 'How do I bake bread?' },
      { role: 'assistant', content: 'Knead the dough.' },
    ],
    [
      { role: 'user', content: 'I graduated with a degree in Business Administration.', ...extra },
      { role: 'assistant', content: 'Congratulations!', has_answer: false },
    ],
  ],
  answer_session_ids: ['answer_1'],
});
const said = (d: Dialogue) => d.turns.map(saidIn);

const test = suite('data sets');
test('LoCoMo: sessions in order, captions read, dates as headings, malformed evidence repaired or counted', () => {
  const [d] = readDialogues(JSON.stringify([locomo]), 'locomo10.json');
  assert.is(d.id, 'conv-1');
  assert.equal(said(d), [
    'Ida said, "Hi Paul!"\n',
    'Paul said, "My piano exam went well."\n',
    'Paul said, "I adopted a cat last week. [shares a photo of a grey cat]"\n',
    'Ida said, "I moved to Bergen."\n',
  ]);
  assert.is(d.turns[0].line, 'Session 1, 1:56 pm on 8 May, 2023\nIda said, "Hi Paul!"\n');
  assert.is(d.turns[3].heading, undefined); // its session has no date
  assert.equal(
    d.questions.map((q) => [q.answer, q.evidence, q.topic]),
    [
      ['piano', [1], '4'],
      ['1', [2, 3], '1'],
      [NOT_MENTIONED, [2], '5'],
      ['play', [], '3'],
    ],
  );
  assert.is(d.droppedEvidence, 2); // 'D2:99' and 'D'
});
test('REALTALK: sessions at the top level, pictures without words', () => {
  const [d] = readDialogues(JSON.stringify(realtalk), 'chat.json');
  assert.is(d.id, 'Emi and Elise');
  assert.equal(said(d), [
    'Emi said, "Happy new year"\n',
    'Elise said, "[shares a picture]"\n',
    'Elise said, "I started pottery."\n',
  ]);
  assert.is(d.turns[2].heading, 'Session 2, 30.12.2023, 08:00:00\n');
  assert.equal(d.questions[0].evidence, [2]);
});
test('LongMemEval: evidence is what has the answer, else the answer sessions; what was never said is the answer of _abs', () => {
  const file = [
    longmemeval('q1', { has_answer: true }),
    longmemeval('q2', {}),
    { ...longmemeval('q3_abs', {}), answer: 'You did not say.' },
  ];
  const [first, second, third] = readDialogues(JSON.stringify(file), 'longmemeval_s.json');
  assert.equal(
    said(first)[2],
    'user said, "I graduated with a degree in Business Administration."\n',
  );
  assert.is(first.turns[2].heading, 'Session 2, 2023/05/21 (Sun) 10:00\n');
  assert.equal([first.questions[0].evidence, second.questions[0].evidence], [[2], [2, 3]]);
  assert.equal(
    [first.questions[0].answer, third.questions[0].answer],
    ['Business Administration', NOT_MENTIONED],
  );
});
test('one object, an array and lines read alike; a named format is insisted on', () => {
  const one = JSON.stringify(locomo);
  for (const text of [one, `[${one}]`, `${one}\n${one}\n`, JSON.stringify(locomo, null, 2)])
    assert.equal(readDialogues(text, 'f')[0].questions.length, 4);
  assert.throws(
    () => readDialogues(one, 'f.json', 'longmemeval'),
    /f.json, line 1: expected 'haystack_sessions'/,
  );
  assert.throws(
    () => readDialogues(one, 'f', 'squad'),
    /no format 'squad'; there are recollect, locomo, realtalk, longmemeval/,
  );
});
test('what is wrong is named with its place', () => {
  const change = (item: object, edit: object) => JSON.stringify([item, { ...item, ...edit }]);
  const bad: [string, RegExp][] = [
    ['[1]', /f, entry 0: expected an object/],
    ['{"a": 1}', /f, line 1: expected an object with 'turns'/],
    ['{"conversation": {', /f.*: no JSON/],
    ['[\n{"turns": [}\n]', /f, line 1: no JSON/],
    [change(locomo, { conversation: {} }), /entry 1: expected sessions 'session_1'/],
    [
      change(locomo, { conversation: { session_1: [3] } }),
      /entry 1: session_1\[0\] is 3, expected an object/,
    ],
    [
      change(locomo, { conversation: { session_1: [{ text: 'x' }] } }),
      /session_1\[0\] has no 'speaker'/,
    ],
    [change(locomo, { qa: [] }), /expected 'qa'/],
    [change(locomo, { qa: [{ answer: 'x' }] }), /qa\[0\] has no 'question'/],
    [change(locomo, { qa: [{ question: 'x' }] }), /qa\[0\] has no 'answer'/],
    [
      change(longmemeval('q', {}), { haystack_sessions: [[{ role: 'user' }]] }),
      /haystack_sessions\[0\]\[0\] needs 'role' and 'content'/,
    ],
    [change(longmemeval('q', {}), { haystack_sessions: [] }), /expected 'haystack_sessions'/],
    [change(longmemeval('q', {}), { answer: null }), /expected 'answer'/],
  ];
  for (const [text, pattern] of bad)
    assert.throws(
      () => readDialogues(text, 'f'),
      (e: Error) => e.name === 'OptionError' && pattern.test(e.message),
      text.slice(0, 60),
    );
});
test('every format is recognised by its own shape alone', () => {
  const items = [{ turns: [] }, locomo, realtalk, longmemeval('q', {})] as Record<
    string,
    unknown
  >[];
  items.forEach((item, i) =>
    assert.equal(
      datasetFormats.filter((f) => f.recognises(item)).map((f) => f.name),
      [datasetFormats[i].name],
    ),
  );
});
test.run();

const measures = suite('episodes measured');
measures(
  'on two topics that share no word: match, recall and chance are what they must be',
  async () => {
    const sea = ['the boat sails', 'waves and harbour', 'the boat anchors', 'harbour of waves'];
    const oven = ['bread in the oven', 'flour and yeast', 'yeast bread', 'oven with flour'];
    // 4 segments of 4 turns: sea, oven, oven, sea
    const turns = [sea, oven, oven, sea].flat().map((text) => ({ line: `${text}\n` }));
    const questions = [
      { question: 'Which boat?', answer: 'x', evidence: [0, 12] },
      { question: 'What about yeast?', answer: 'x', evidence: [5, 2] },
      { question: 'Anything?', answer: 'x', evidence: [] },
    ];
    const backend = createWasmBackend();
    const report = await measureEpisodes(
      { id: 'x', turns, questions },
      lexicalEmbedder(),
      { count: 2, segmentTurns: 4, restarts: 5, seed: 1 },
      backend,
    );
    assert.equal([report.segments, [...report.sizes].sort(), report.questions], [4, [2, 2], 2]);
    assert.is(report.chance, 0.5);
    assert.is(report.match, (1 + 0.5) / 2); // turn 2 is about the sea
    assert.is(report.match2, 1);
    assert.equal(report.recall, { '1': (0.5 + 0.5) / 2, '4': 1, '16': 1 });
    const [wet, warm] = [/boat|waves|harbour|anchors|sails/, /bread|flour|yeast|oven/];
    for (const words of report.words)
      assert.ok(
        words.every((w) => wet.test(w)) !== words.every((w) => warm.test(w)),
        String(words),
      );
    assert.is(backend.arena.usedBytes, 0);
  },
);
measures('words used together meet, and forms of a word, and misspelt ones', async () => {
  const embedder = lexicalEmbedder();
  const texts = [
    'Ana plays hockey, her favourite sport',
    'Sport is fun, hockey most',
    'The stew needs pepper',
    'Cooking a stew',
    'Nothing to say here',
    'Rain again',
  ];
  embedder.fit!(texts);
  const best = (question: string) => {
    const likeness = embedder.likeness!(question);
    return likeness.indexOf(Math.max(...likeness));
  };
  assert.is(best('Who plays?'), 0);
  assert.is(best('What was cooked?'), 3);
  assert.is(best('peppper'), 2);
  // 'hockey' alone also brings what only says 'sport' nearer than what says neither
  const likeness = embedder.likeness!('hockey');
  assert.ok(Math.min(likeness[0], likeness[1]) > Math.max(...likeness.slice(2)));
  embedder.extend!(['The ferry was late']);
  assert.is(embedder.likeness!('ferry').indexOf(Math.max(...embedder.likeness!('ferry'))), 6);
});
measures.run();
