// What was said, its text and its tokens: whoever keeps what was made of them hears what changes.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Framing } from '../../src/session/framing.ts';
import { Talk } from '../../src/session/talk.ts';
import { tinyModel } from '../fixtures.ts';

const test = suite('talk');

test('a word that goes on changes its last token, and episodes hear of it', async () => {
  const { chatTemplate, tokenizer } = await tinyModel();
  const talk = new Talk(new Framing(chatTemplate, tokenizer.bosText), tokenizer, true);
  const parts = ['Mia: My dog is called R', 'ex. He is bl', 'ue', '.\nRavi: L', 'ovely.\n'];
  let heardSome = false;
  for (const part of parts) {
    const before = talk.transcript.ids.slice(0);
    const heard: number[] = [];
    talk.onChanged = (token) => heard.push(token);
    const same = talk.take([part]);
    const after = talk.transcript.ids.slice(0);
    const kept = before.findIndex((id, i) => id !== after[i]);
    if (kept < 0) continue; // nothing of it was another token
    heardSome = true;
    assert.is(same, kept);
    assert.ok(Math.min(...heard) <= kept, `${part}: heard ${heard}, changed from ${kept}`);
  }
  assert.ok(heardSome, 'no word went on');
});
test.run();
