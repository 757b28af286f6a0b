// What only the device finds out (faults.ts): noted in the first words of the work buffer, for the
// next read to reject with. The first one stays.
const NO_ROOM: u32 = 1; // layer, head, rows, room
const TOO_MANY_KEPT: u32 = 2; // range, rows, share
const TOO_FEW_ROWS: u32 = 3; // rows taken back, rows that are there
const NOT_A_NUMBER: u32 = 4; // check, head, row, what else is not finite

fn raise(fault: u32, what: vec4<u32>) {
  if (work[0] != 0) { return; }
  work[0] = fault;
  for (var i = 0u; i < 4; i++) { work[1 + i] = what[i]; }
}
