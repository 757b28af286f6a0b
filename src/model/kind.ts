// What a file is when it is no whole language model in GGUF: another format, told by its first
// bytes, or a GGUF file of another kind, told by its keys. Each is named, with what to do instead.
import { ModelFormatError, OptionError, UnsupportedError } from '../errors.ts';
import { architectures } from './arch/registry.ts';
import type { Header } from './header.ts';
import { numbered, splitOf } from './split-keys.ts';

interface Format {
  readonly name: string;
  readonly advice: string;
  /** Whether a fine file, only of another format; else what arrived is not what was meant. */
  readonly fine: boolean;
  is(head: Uint8Array, text: string): boolean;
}

const CONVERT =
  "convert it with llama.cpp's convert_hf_to_gguf.py, or choose a .gguf file of the same model";
const UNPACK = 'unpack it and name the .gguf file in it';
const DOWNLOAD =
  'download the file itself, not the page about it (on Hugging Face: /resolve/, not /blob/)';

/** A format whose files begin with some bytes, written as latin-1. */
const begins = (name: string, advice: string, ...starts: string[]): Format => ({
  name,
  advice,
  fine: true,
  is: (_, text) => starts.some((start) => text.startsWith(start)),
});

const formats: readonly Format[] = [
  {
    name: 'a safetensors file',
    advice: CONVERT,
    fine: true,
    // the length of a JSON header, and the header
    is: (head, text) => head.length > 9 && head[6] === 0 && head[7] === 0 && text[8] === '{',
  },
  begins(
    'a zip archive (a PyTorch checkpoint is one)',
    `${CONVERT}; or ${UNPACK}`,
    'PK\x03\x04',
    'PK\x05\x06',
  ),
  {
    name: 'a pickle (a PyTorch checkpoint of old)',
    advice: CONVERT,
    fine: true,
    is: (head) => head[0] === 0x80 && head[1] >= 2 && head[1] <= 5,
  },
  begins(
    'a GGML file from before GGUF',
    'choose a .gguf file of the same model',
    'lmgg',
    'fmgg',
    'tjgg',
    'algg',
  ),
  begins('an HDF5 file (of Keras)', CONVERT, '\x89HDF\r\n'),
  begins('an array of NumPy', CONVERT, '\x93NUMPY'),
  begins('a gzip archive', UNPACK, '\x1f\x8b'),
  begins('a zstd archive', UNPACK, '\x28\xb5\x2f\xfd'),
  begins('an xz archive', UNPACK, '\xfd7zXZ'),
  begins('a bzip2 archive', UNPACK, 'BZh'),
  begins('a 7z archive', UNPACK, '7z\xbc\xaf'),
  begins('a rar archive', UNPACK, 'Rar!'),
  {
    name: 'a tar archive',
    advice: UNPACK,
    fine: true,
    is: (_, text) => text.startsWith('ustar', 257),
  },
  {
    name: 'a TensorFlow Lite model',
    advice: CONVERT,
    fine: true,
    is: (_, text) => text.startsWith('TFL3', 4),
  },
  {
    name: 'an ONNX model',
    advice: CONVERT,
    fine: true,
    // protobuf: ir_version, a small number, then the producer's or the graph's field
    is: (head) =>
      head[0] === 0x08 &&
      head[1] >= 1 &&
      head[1] < 32 &&
      [0x12, 0x1a, 0x22, 0x2a, 0x3a].includes(head[2]),
  },
  begins('a llamafile', 'name the .gguf file in it', 'MZqFpD', 'jartsr'),
  {
    name: 'the pointer that Git LFS keeps in place of a file',
    advice: "run 'git lfs pull' where it comes from, or download the file itself",
    fine: false,
    is: (_, text) => text.startsWith('version https://git-lfs'),
  },
  {
    name: 'a web page',
    advice: DOWNLOAD,
    fine: false,
    is: (_, text) =>
      /^(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml|!--|Error|svg)/i.test(text),
  },
  {
    name: "JSON (a configuration, or a server's error)",
    advice: `name the model's .gguf file; ${DOWNLOAD}`,
    fine: false,
    is: (_, text) => /^(\xef\xbb\xbf)?\s*[{[]\s*["{\]}[]/.test(text),
  },
  {
    name: 'nothing but zeros (a download that did not finish, or a disk that lost it)',
    advice: 'download it again',
    fine: false,
    is: (head) => head.length >= 4 && head.every((b) => b === 0),
  },
];

/**
 * Lets a GGUF file through, by its first bytes. Throws UnsupportedError for another format of
 * models or archives, ModelFormatError for what is no model at all.
 */
export function refuseOtherFormats(head: Uint8Array, file: string): void {
  let text = '';
  for (const byte of head) text += String.fromCharCode(byte);
  if (text.startsWith('GGUF')) return;
  const found = [...head.subarray(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(' ');
  const begin = `begins with the bytes '${found}', a GGUF file begins with '47 47 55 46' (GGUF)`;
  const format = formats.find((f) => f.is(head, text));
  if (!format) {
    const what = head.length === 0 ? ' (the file is empty)' : '';
    throw new ModelFormatError(`${file}: ${begin}${what}: name a .gguf file`);
  }
  const Refusal = format.fine ? UnsupportedError : ModelFormatError;
  throw new Refusal(`${file}: ${format.name}, it ${begin}: ${format.advice}`);
}

/**
 * Kinds of 'general.type' that are no language model; what is not listed goes by its
 * architecture.
 */
const types: Readonly<Record<string, string>> = {
  adapter: 'an adapter (LoRA)',
  mmproj: 'a projector, the part of a model that sees or hears',
  imatrix: 'an importance matrix, made to quantise a model',
  vocab: 'a vocabulary without weights',
  clip: 'a projector, the part of a model that sees or hears',
};

/** Architectures that files of another kind are told by. */
const kindsByArchitecture: Readonly<Record<string, string>> = {
  clip: types.mmproj,
  imatrix: types.imatrix,
  controlvector: 'a control vector',
};

const numberIn = (metadata: Header['metadata'], key: string): number => {
  const value = metadata[key];
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : 0;
};

/**
 * Lets a language model through that we may run, or the first of its parts. Throws UnsupportedError
 * that names what it is: an adapter, a projector, a vocabulary, experts, another architecture;
 * OptionError for another part.
 */
export function refuseOtherKinds({ metadata, tensors }: Header, file: string): void {
  const split = splitOf(metadata, file);
  if (split && split.no !== 0)
    throw new OptionError(
      `${file}: part ${split.no + 1} of ${split.count} of a model: name the first part ` +
        `(${numbered(0, split.count)}.gguf), or pass all parts as a list`,
    );
  const refuse = (what: string, advice: string): never => {
    throw new UnsupportedError(`${file}: ${what}: ${advice}`);
  };
  const type = String(metadata['general.type'] ?? 'model');
  const architecture = String(metadata['general.architecture'] ?? '');
  const adapter =
    Object.keys(metadata).some((key) => key.startsWith('adapter.')) ||
    tensors.some((t) => /\.lora_[ab]$/.test(t.name));
  if (type === 'adapter' || adapter) {
    refuse(
      `${types.adapter}, not a model (general.type is '${type}')`,
      'name the model it was made for, and this file as its adapter (`adapters`, --adapter)',
    );
  }
  const kind = ownOf(types, type) ?? ownOf(kindsByArchitecture, architecture);
  if (kind) {
    refuse(
      `${kind}, not a language model (general.type '${type}', architecture ` +
        `'${clipText(architecture)}')`,
      "name the language model's own .gguf file",
    );
  }
  if (tensors.some((t) => t.name.endsWith('.in_sum2')))
    refuse(`${types.imatrix}, not a model`, "name the model's own .gguf file");
  const found = architectures.find(({ name }) => name === architecture);
  if (!found) {
    const given =
      metadata['general.architecture'] === undefined
        ? "no architecture ('general.architecture' is missing)"
        : `architecture '${clipText(architecture)}'`;
    refuse(
      `${given}; supported are ${architectures.map((a) => a.name).join(', ')}`,
      'choose a model of one of these',
    );
  }
  const experts = numberIn(metadata, `${architecture}.expert_count`);
  const hasExperts = experts > 0 || tensors.some((t) => t.name.includes('.ffn_gate_inp.'));
  if (hasExperts && !found?.keys.includes('expert_count')) {
    const count = experts > 0 ? ` of ${experts} experts` : '';
    refuse(
      `a mixture of experts${count}; of architecture '${architecture}' only dense models are ` +
        'supported',
      'choose a dense model of this family',
    );
  }
  // (the first part of several may be metadata alone)
  if (tensors.length === 0 && !split) refuse(types.vocab, "name the model's own .gguf file");
}

/** What a record holds under a name that a file chose. */
const ownOf = (record: Readonly<Record<string, string>>, name: string): string | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;

const clipText = (text: string): string => text.slice(0, 80);
