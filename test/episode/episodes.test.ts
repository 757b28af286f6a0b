// Segments, embedders, clusters, medoids, matching: each on input where the right answer is known.
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createWasmBackend } from '../../src/backend/wasm/backend.ts';
import { cluster, clusterAuto } from '../../src/episode/cluster.ts';
import { cosine, type Embedder } from '../../src/episode/embed.ts';
import { modelEmbedder } from '../../src/episode/embedders.ts';
import type { LocalExecutor } from '../../src/engine/executor.ts';
import type { TokenSpan } from '../../src/backend/cache.ts';
import { IntList } from '../../src/math/int-list.ts';
import { History } from '../../src/episode/history.ts';
import { recall } from '../../src/episode/recall.ts';
import { SegmentIndex } from '../../src/episode/segment-index.ts';
import { lexicalEmbedder } from '../../src/episode/lexical.ts';
import { wordsOf } from '../../src/episode/words.ts';
import { matchEpisodes, rankSegments } from '../../src/episode/match.ts';
import { medoidText, typicalSegments } from '../../src/episode/medoid.ts';
import { segmentsOf, sentencesOf } from '../../src/episode/segment.ts';
import { createRandom } from '../../src/math/rng.ts';
import { tinyModel } from '../fixtures.ts';

const segments = suite('segments');
segments('together they are the conversation, each of the size asked for', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1 }).filter((s) => s.trim() !== '')),
      fc.integer({ min: 1, max: 6 }),
      (texts, size) => {
        const cut = segmentsOf(
          texts.map((text) => ({ text })),
          size,
        );
        assert.is(cut.map((s) => s.text).join(''), texts.join(''));
        assert.is(cut.length, Math.ceil(texts.length / size));
        cut.forEach((s, i) =>
          assert.equal([s.first, s.end], [i * size, Math.min(texts.length, (i + 1) * size)]),
        );
      },
    ),
  );
});
segments('a long utterance is cut into sentences, which join to it again', () => {
  const long = 'One sentence here. Another one? Yes!\nAnd a last line without an end'.repeat(12);
  assert.is(sentencesOf(long).join(''), long);
  const cut = segmentsOf([{ text: 'Hi.\n' }, { text: long }, { text: 'Bye.\n' }], 4);
  assert.ok(cut.length > 5);
  assert.is(cut.map((s) => s.text).join(''), `Hi.\n${long}Bye.\n`);
  assert.equal([cut[0].first, cut.at(-1)!.end], [0, 3]);
});
segments('white space alone is no utterance', () =>
  assert.equal(segmentsOf([{ text: ' \n' }, { text: '' }], 2), []),
);
segments.run();

const embedding = suite('embedders');
const topics = [
  "My dog Rex barks. The vet looked at the dog's paw.",
  'The cat sleeps. Cats and dogs are pets.',
  'The match was lost. Our team plays football.',
  'She won a medal in tennis. Sports are fun.',
  'I baked a cake with cinnamon.',
  'The soup needs salt and garlic.',
];
const unit = (v: Float32Array) =>
  assert.ok(Math.abs(Math.hypot(...v) - 1) < 1e-5 || v.every((x) => x === 0));

embedding(
  'lexical: unit vectors, zeros for a text of unknown words, alike for words that are used together',
  async () => {
    const embedder = lexicalEmbedder();
    embedder.fit!(topics);
    const vectors = await embedder.embed(topics);
    vectors.forEach(unit);
    const [nothing, question] = await embedder.embed(['the of and', 'Which sport does he play?']);
    assert.ok(nothing.every((x) => x === 0));
    const likeness = vectors.map((v) => cosine(v, question));
    assert.ok(
      Math.max(likeness[2], likeness[3]) >
        Math.max(likeness[0], likeness[1], likeness[4], likeness[5]),
      likeness.join(),
    );
    assert.equal(wordsOf("The dogs' cooking, cooked & cooks; a Café"), [
      'dog',
      'cook',
      'cook',
      'cook',
      'café',
    ]);
  },
);
embedding('model: the mean of the input embeddings', async () => {
  const model = await tinyModel();
  const before = model.backend.arena.usedBytes;
  const text = 'My dog is called Rex. '.repeat(20);
  const [vector, again] = await modelEmbedder(model).embed([text, text]);
  assert.equal(vector, again);
  unit(vector);
  assert.is(model.backend.arena.usedBytes, before);
  // against a plain sum of the rows, one token at a time
  const { backend, tokenizer, config } = model;
  const { transformer } = model.executor as LocalExecutor;
  const release = backend.reserveScratch({
    tokens: 1,
    queryHeads: 1,
    kvHeads: 1,
    headDim: 8,
    width: config.width,
  });
  const [row, id] = [
    { address: backend.arena.allocate(config.width * 4), columns: config.width },
    backend.arena.allocate(4),
  ];
  const sum = new Float64Array(config.width);
  for (const token of tokenizer.encode(text)) {
    backend.write(id, Int32Array.of(token));
    backend.embed(row, transformer.weights.embedding!, id, 1);
    const numbers = await backend.readFloats(row.address, config.width);
    numbers.forEach((x, i) => void (sum[i] += x));
  }
  const length = Math.hypot(...sum);
  vector.forEach((x, i) => assert.ok(Math.abs(x - sum[i] / length) < 1e-5));
  backend.arena.free(row.address);
  backend.arena.free(id);
  release();
});
embedding.run();

const clustering = suite('k-means');
const backend = createWasmBackend('simd');
/** `count` points around each of `groups` corners. */
function blobs(
  groups: number,
  count: number,
  d: number,
  spread: number,
  seed = 1,
): { vectors: Float32Array[]; group: number[] } {
  const random = createRandom(seed);
  const group = Array.from({ length: groups * count }, (_, i) => i % groups);
  const vectors = group.map((g) => {
    const v = Float32Array.from(
      { length: d },
      (_, j) => (j === g ? 1 : 0) + spread * (random() - 0.5),
    );
    const length = Math.hypot(...v);
    return v.map((x) => x / length);
  });
  return { vectors, group };
}
clustering('clear groups are found, whatever the seed', () => {
  const { vectors, group } = blobs(5, 12, 16, 0.3);
  for (let seed = 0; seed < 10; seed++) {
    const { labels, centroids } = cluster(vectors, { count: 5, restarts: 10, seed }, backend);
    assert.is(centroids.length, 5);
    const pairs = new Set(labels.map((e, i) => `${e} ${group[i]}`));
    assert.is(pairs.size, 5, `seed ${seed}`);
  }
});
clustering("'auto' finds about how many groups there are, and makes one of what has none", () => {
  for (const groups of [2, 3, 5, 7]) {
    const { vectors } = blobs(groups, 10, 16, 0.3);
    const found = clusterAuto(vectors, { most: 8, restarts: 10, seed: 1 }, backend).centroids
      .length;
    // a tenth of the agreement may go for one more
    assert.ok(found === groups || found === groups + 1, `${found} for ${groups}`);
  }
  assert.is(
    clusterAuto(blobs(1, 3, 8, 0.3).vectors, { most: 8, restarts: 10, seed: 1 }, backend).centroids
      .length,
    1,
  );
  assert.equal(clusterAuto([], { most: 8, restarts: 1, seed: 1 }, backend).labels, []);
});
clustering(
  'the same seed gives the same clusters; centroids are means; more restarts are never worse',
  () => {
    const { vectors } = blobs(4, 15, 8, 2);
    const one = cluster(vectors, { count: 6, restarts: 1, seed: 3 }, backend);
    const ten = cluster(vectors, { count: 6, restarts: 10, seed: 3 }, backend);
    assert.equal(cluster(vectors, { count: 6, restarts: 10, seed: 3 }, backend).labels, ten.labels);
    assert.ok(ten.inertia <= one.inertia);
    ten.centroids.forEach((c, e) => {
      const members = vectors.filter((_, i) => ten.labels[i] === e);
      assert.ok(members.length > 0);
      c.forEach((x, j) =>
        assert.ok(Math.abs(x - members.reduce((s, v) => s + v[j], 0) / members.length) < 1e-5),
      );
    });
    // every point is nearest to its own centroid
    vectors.forEach((v, i) => {
      const far = ten.centroids.map((c) => v.reduce((s, x, j) => s + (x - c[j]) ** 2, 0));
      assert.ok(far[ten.labels[i]] <= Math.min(...far) + 1e-5);
    });
  },
);
clustering('no cluster is empty, and there are no more than distinct vectors', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer(),
      (places, count, seed) => {
        const vectors = places.map((p) =>
          Float32Array.from({ length: 6 }, (_, j) => (j === p ? 1 : 0)),
        );
        const { labels, centroids } = cluster(vectors, { count, restarts: 2, seed }, backend);
        const E = Math.min(count, new Set(places).size);
        assert.is(centroids.length, E);
        assert.equal(
          [...new Set(labels)].sort((a, b) => a - b),
          Array.from({ length: E }, (_, e) => e),
        );
      },
    ),
    { numRuns: 50 },
  );
});
clustering('nothing to cluster is no error; memory is given back', () => {
  const before = backend.arena.usedBytes;
  assert.equal(cluster([], { count: 4, restarts: 3, seed: 0 }, backend).labels, []);
  cluster([new Float32Array(4), new Float32Array(4)], { count: 4, restarts: 3, seed: 0 }, backend);
  assert.is(backend.arena.usedBytes, before);
});
clustering.run();

const medoids = suite('medoids and matching');
medoids('the most typical segments, in the order they were said', () => {
  const { vectors } = blobs(2, 4, 4, 0.5);
  const clusters = cluster(vectors, { count: 2, restarts: 5, seed: 0 }, backend);
  const all = vectors.map((_, i) => ({ text: `s${i}`, first: i, end: i + 1 }));
  for (const e of [0, 1]) {
    const typical = typicalSegments(e, vectors, clusters);
    const likeness = typical.map((i) => cosine(vectors[i], clusters.centroids[e]));
    assert.equal(
      likeness,
      [...likeness].sort((a, b) => b - a),
    );
    assert.equal(
      typical.map((i) => clusters.labels[i]),
      [e, e, e, e],
    );
    const text = medoidText(typical.slice(0, 3), all);
    assert.is(
      text,
      typical
        .slice(0, 3)
        .sort((a, b) => a - b)
        .map((i) => `s${i}\n`)
        .join(''),
    );
  }
});
medoids('a question goes to the centroid it is most like, the lower on ties', () => {
  const centroids = [Float32Array.of(2, 0), Float32Array.of(0, 0.1), Float32Array.of(1, 0)];
  const clusters = { labels: [0, 1, 1, 2], centroids, inertia: 0 };
  const plain: Embedder = { name: 'plain', embed: async () => [] };
  const matched = (...args: Parameters<typeof matchEpisodes>) =>
    matchEpisodes(...args).map((m) => m.episode);
  assert.equal(
    matched({ text: 'x', vector: Float32Array.of(0.1, 0.9) }, clusters, plain),
    [1, 0, 2],
  );
  assert.equal(matched({ text: 'x', vector: Float32Array.of(0, 0) }, clusters, plain), [0, 1, 2]);
  // segments vote where the embedder knows how much each has to say: two that say something outvote
  // one, one that says much outvotes both
  const telling = (likeness: number[]): Embedder => ({ ...plain, likeness: () => likeness });
  const asked = { text: 'x', vector: Float32Array.of(1, 0) };
  assert.equal(matched(asked, clusters, telling([0.5, 0.5, 0.5, 0])), [1, 0, 2]);
  assert.equal(matched(asked, clusters, telling([0.1, 0.5, 0.5, 0.9])), [2, 1, 0]);
  assert.equal(rankSegments(asked, [], telling([0.1, 0.5, 0.5, 0.9])), [3, 1, 2, 0]);
  assert.equal(rankSegments(asked, [Float32Array.of(0, 1), Float32Array.of(1, 0)], plain), [1, 0]);
});
medoids.run();

const recalling = suite('recall');
recalling(
  'chooses what a question is like and the cache has lost, in order, framed once a run, within its rows',
  async () => {
    const texts = [
      'Rex is the dog of Ana',
      'It rained all day',
      'Ana walks the dog at noon',
      'The train was late',
      'A cat sleeps',
    ];
    const ids = new IntList();
    const history = new History(ids);
    // a token a letter; the last one is a message of its own
    const encode = (text: string) => [...text].map((c) => c.charCodeAt(0));
    for (const [i, text] of texts.entries()) {
      const begin = ids.length;
      ids.push(encode(text));
      history.addAt(text, i < 4, begin, ids.length, { indexAt: (char) => char });
    }
    // tokens up to here are held
    let until = 0;
    const held = async (spans: readonly TokenSpan[]) =>
      spans.map(([begin, end]) => Math.max(0, Math.min(until, end) - begin) / (end - begin));
    const index = new SegmentIndex(lexicalEmbedder(), 1);
    const ask = (question: string, rows: number) =>
      recall(question, rows, index, history, held, encode, [[1], [2]]);
    const read = (tokens: readonly number[]) =>
      String.fromCharCode(...tokens.map((t) => (t === 1 ? 60 : t === 2 ? 62 : t)));
    assert.equal((await ask('What is the dog of Ana called?', 50)).segments, [0, 2]);
    assert.is(
      read((await ask('What is the dog of Ana called?', 50)).tokens),
      '<Rex is the dog of AnaAna walks the dog at noon>',
    );
    assert.is(read((await ask('Where is the cat?', 12)).tokens), 'A cat sleeps');
    assert.is(
      read((await ask('What is the dog of Ana called?', 8)).tokens),
      '<Rex is ',
      'the best is cut rather than left out',
    );
    // held rows need no recalling
    until = texts[0].length + 3;
    assert.is(
      read((await ask('What is the dog of Ana called?', 27)).tokens),
      '<Ana walks the dog at noon>',
    );
  },
);
recalling.run();
