// The files whose features are tried, each with a text and its tokens beside it.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fixture } from '../fixtures.ts';
import { Subject } from './subject.ts';

/** Of architectures whose fixtures are older than the others'. */
const older = ['llama', 'qwen2', 'qwen3', 'smollm3', 'gemma3-swa'].map((name) =>
  fixture(`${name}-f32.gguf`),
);

const subjectOf = (file: string): Subject[] => {
  const figures = ['.f64.json', '.json'].map((end) => file.replace(/\.gguf$/, end));
  const found = figures.find((path) => existsSync(path));
  return found === undefined ? [] : [new Subject(file, found)];
};

/** Those of files and folders; by default one of each architecture, and of some more shapes. */
export const subjectsIn = (paths: readonly string[]): Subject[] =>
  (paths.length > 0 ? paths : [...older, fixture('archs')])
    .flatMap((path) =>
      statSync(path).isDirectory()
        ? readdirSync(path)
            .filter((name) => name.endsWith('.gguf'))
            .map((name) => join(path, name))
        : [path],
    )
    .flatMap(subjectOf);
