// Where a lane stands in its subgroup, and how many lanes that has: counted, as no order of lanes in
// subgroups, and no size of them, is promised. In uniform control flow.
struct Place { index: u32, size: u32 }
fn place_in_subgroup() -> Place { return Place(subgroupExclusiveAdd(1u), subgroupAdd(1u)); }
