// Workgroups are counted along x and then y, as one dimension takes 65,535 at most.
fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
  return group.x + group.y * groups.x;
}
