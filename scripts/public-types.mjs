// Whether every type that a public declaration mentions is public too. `node
// scripts/public-types.mjs COMPILER INDEX`: the folder of a TypeScript with an API (5.x), and the
// package's index.d.ts. Lists what is missing, and by whom it is mentioned.
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

const [compiler, index] = process.argv.slice(2);
const ts = createRequire(pathToFileURL(join(compiler, 'package.json')))('./lib/typescript.js');
const options = {
  strict: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
};
const program = ts.createProgram([index], {
  ...options,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
  types: [],
  skipLibCheck: true,
});
const checker = program.getTypeChecker();
const real = (symbol) =>
  symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
const exported = new Set(
  checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(index))).map(real),
);
const home = `${dirname(index)}${sep}`;
const missing = new Map();
const hidden = (node) =>
  ts.getCombinedModifierFlags(node) & ts.ModifierFlags.Private ||
  (node.name && ts.isPrivateIdentifier(node.name));

function visit(node, owner) {
  if (ts.isClassElement(node) && hidden(node)) return;
  const name = ts.isTypeReferenceNode(node)
    ? node.typeName
    : ts.isExpressionWithTypeArguments(node)
      ? node.expression
      : undefined;
  if (name) {
    const symbol = checker.getSymbolAtLocation(name);
    if (symbol) mentioned(real(symbol), owner);
  }
  ts.forEachChild(node, (child) => visit(child, owner));
}
function mentioned(symbol, owner) {
  const [declaration] = symbol.declarations ?? [];
  if (!declaration || symbol.flags & ts.SymbolFlags.TypeParameter) return;
  if (
    !declaration.getSourceFile().fileName.startsWith(home.replaceAll('\\', '/')) ||
    exported.has(symbol)
  )
    return;
  // a member of an exported namespace or class is named through it
  if (missing.has(symbol)) return;
  missing.set(symbol, owner);
}
for (const symbol of exported)
  for (const declaration of symbol.declarations ?? []) visit(declaration, symbol.name);
for (const [symbol, owner] of missing)
  console.error(`'${symbol.name}' is mentioned by '${owner}', and is not exported`);
console.log(`${exported.size} public names, ${missing.size} missing`);
process.exitCode = missing.size > 0 ? 1 : 0;
