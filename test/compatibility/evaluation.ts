// What measures models: log-probabilities of a text, an evaluation with its report, a profile of
// layers and budgets shared by it.
import type { Dialogue } from '../../src/eval/datasets/dataset.ts';
import { evaluate } from '../../src/eval/evaluate.ts';
import { renderReport } from '../../src/eval/report.ts';
import { textLogits } from '../../src/engine/logits.ts';
import type { Model } from '../../src/engine/model.ts';
import { createChatTemplate } from '../../src/model/chat-template.ts';
import { profileModel } from '../../src/engine/profile.ts';
import { layerShapes } from '../../src/backend/cache-shape.ts';
import { expect } from './expect.ts';
import type { Feature } from './outcome.ts';
import { expectRows } from './policies.ts';
import { BLOCK, planned, runOf, type Subject } from './subject.ts';

/** The same most probable tokens as plain loops in f64 find. */
async function expectLogits(subject: Subject): Promise<void> {
  const text = subject.text.slice(0, 60);
  const [ours, reference] = [
    await textLogits(await subject.model(), text, 3),
    await textLogits(await subject.model({ device: 'reference' }), text, 3),
  ];
  expect(`${ours.tokens}` === `${reference.tokens}`, 'other tokens');
  for (const [t, top] of ours.top.entries()) {
    const [[, p], [, q]] = [top[0], reference.top[t][0]];
    expect(Math.abs(p - q) < 0.05, `token ${t}: ${p}, the reference has ${q}`);
  }
}

/** The model with a chat template, which evaluations ask by. */
async function chatting(subject: Subject): Promise<Model> {
  const model = await subject.model();
  const key = 'tokenizer.chat_template';
  const template = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}';
  const metadata = { ...model.metadata, [key]: template };
  const chatTemplate = createChatTemplate(metadata, model.tokenizer, subject.name);
  return Object.create(model, { chatTemplate: { value: chatTemplate } }) as Model;
}

async function expectEvaluation(subject: Subject): Promise<void> {
  const model = await chatting(subject);
  const lines = subject.lines.slice(0, 6);
  const dialogue: Dialogue = {
    id: 'one',
    turns: lines.map((line) => ({ line })),
    questions: [{ question: 'And then?', answer: lines[1].trim(), evidence: [1] }],
  };
  const options = { blockSize: BLOCK, promptTokens: 8 };
  for (const policy of ['snapkv', 'epicache']) {
    const setup = { policy, budget: { share: 0.3 }, options };
    const result = await evaluate(model, [dialogue], setup);
    const [{ evidence, correct }] = result.answers;
    const { kept = [] } = evidence ?? {};
    expect(typeof correct === 'boolean' && kept.length > 0, 'nothing is known of the evidence');
    expect(
      kept.flat().every((share) => share >= 0 && share <= 1),
      `shares of the evidence: ${kept.flat()}`,
    );
    const html = renderReport({
      ...{ title: 'x', model: 'm', machine: 'x', command: 'x', budgetText: '0.3' },
      results: [result],
      sweep: [{ policy, points: [[0.3, result.accuracy]] }],
      ...{ sweepQuestions: 1, traces: [], traceTokens: 0 },
    });
    expect(!/NaN|undefined|Infinity/.test(html), 'the report shows what is no number');
  }
}

/** A profile, and a budget that follows it, to the row. */
async function expectProfile(subject: Subject): Promise<void> {
  const model = await subject.model();
  const { similarity } = await profileModel(model, `${subject.text} ${subject.text}`);
  const shapes = layerShapes(planned(model, {}).shape);
  for (const [layer, s] of similarity.entries())
    expect(
      shapes[layer].kvHeads > 0 ? s > 0 && s <= 1 + 1e-6 : s === 0,
      `layer ${layer}: a similarity of ${s}`,
    );
  const options = { layers: 'sensitivity', sensitivity: similarity, alpha: 3 } as const;
  const { plan } = await runOf(model, subject.tokens, options);
  const seeing = plan.layerRows.filter((_, layer) => !plan.slides[layer]);
  const all = seeing.reduce((sum, rows) => sum + rows, 0);
  expect(all === seeing.length * plan.rows, `${seeing} rows, ${plan.rows} on average`);
  await expectRows(subject, options);
}

export const evaluationFeatures: readonly Feature[] = [
  {
    name: 'log-probabilities',
    group: 'evaluation',
    promise: 'of a text, as plain loops in f64 have them',
    check: expectLogits,
  },
  {
    name: 'eval',
    group: 'evaluation',
    promise: 'answers, what was kept of their evidence, a report of numbers',
    check: expectEvaluation,
  },
  {
    name: 'profile',
    group: 'evaluation',
    promise: 'similarities of layers that keep rows, and a budget that follows them, to the row',
    check: expectProfile,
  },
];
