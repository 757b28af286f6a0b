#!/usr/bin/env bash
# AssemblyScript 0.28.20: an override on @unmanaged classes is chosen by a header that they lack.
#
# Guess: objects of @unmanaged classes have no header, so a method call on one can only be bound when
#        the module is compiled, by the class that the source names; as a type argument of a generic
#        function, say, which is compiled for each class by itself.
# Seen:  that holds until a subclass overrides the method. From then on calls through the base class
#        read a word eight bytes before the object, where managed ones have the number of their
#        class, and choose by it: in fresh memory, which is zero, the subclass's method answers for
#        the base class; with another word there the base class' own; at address 0 the call traps.
#        Two classes that share no base are bound as written, at every address. The compiler says
#        nothing in either case.
# Why:   kernels that are written once for many formats take the format as a type argument, and a
#        default in a base class is the obvious way to say what most have in common. It works in a
#        test with one format and fails with the second. Give every class its own methods, and ask
#        isDefined() for those that only some have.
# Fails if that changes. Needs Node 20 or newer and npm.
. "$(dirname "$0")/lib/alone.sh"
alone assemblyscript@0.28.20
cat > inherits.ts <<'TS'
@unmanaged class Plain { times(x: i32): i32 { return x; } }
@unmanaged class Twice extends Plain { times(x: i32): i32 { return 2 * x; } }
function times<T>(at: usize, x: i32): i32 { return changetype<T>(at).times(x); }
export function plain(at: usize, x: i32): i32 { return times<Plain>(at, x); }
export function twice(at: usize, x: i32): i32 { return times<Twice>(at, x); }
export function put(at: usize, id: u32): void { store<u32>(at, id); }
TS
sed 's/ extends Plain//' inherits.ts > apart.ts
for name in inherits apart; do npx asc $name.ts --runtime stub -O3 -o $name.wasm; done
cat > calls.mjs <<'JS'
import { readFileSync } from 'node:fs';

for (const name of ['inherits', 'apart']) {
  const module = new WebAssembly.Module(readFileSync(`${name}.wasm`));
  const { plain, twice, put, memory } = new WebAssembly.Instance(module, {
    env: { abort() {} },
  }).exports;
  if (memory.buffer.byteLength === 0) memory.grow(1);
  const call = (method, at) => {
    try {
      return method(at, 21);
    } catch (error) {
      return error.constructor.name;
    }
  };
  console.log(`${name} at 0: ${call(plain, 0)}, ${call(twice, 0)}`);
  // whatever lies eight bytes before the object
  const found = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => {
    put(1016, id);
    return call(plain, 1024);
  });
  console.log(`${name} at 1024: ${found.join(' ')}`);
}
JS
output=$(node calls.mjs)
echo "node $(node --version), assemblyscript 0.28.20"
echo "$output"
[ "$output" = "inherits at 0: RuntimeError, 42
inherits at 1024: 42 21 21 21 21 21 21 21 21 21
apart at 0: 21, 42
apart at 1024: 21 21 21 21 21 21 21 21 21 21" ] ||
  { echo 'this has changed'; exit 1; }
