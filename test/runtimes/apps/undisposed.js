// A program that disposes of nothing: it must end by itself. Its argument: options of loadModel, as JSON.
import { fileURLToPath } from 'node:url';
import { talk } from './talk.js';

const { close, ...found } = await talk(
  fileURLToPath(new URL('./model.gguf', import.meta.url)),
  JSON.parse(process.argv[2]),
);
console.log(JSON.stringify(found));
