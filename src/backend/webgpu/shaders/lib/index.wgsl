// Which of a dispatch's workgroups this is: they are counted along x and then y, as one dimension
// takes 65,535 at most.
struct At { @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32> }

fn group_index(at: At) -> u32 { return at.group.x + at.group.y * at.groups.x; }
