//! What is fuzzed: one function a target, each of which takes any bytes and panics only if a
//! promise is broken. Shared by the stable test `tests/fuzz.rs` and the cargo-fuzz crate `fuzz/`.

pub mod bodies;
pub mod compaction;
pub mod companions;
pub mod directory;
pub mod format;
pub mod mending;
pub mod messages;
pub mod mutate;
pub mod sealed;

/// What the bytes of a target are, so that a mutator can make their checksums right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing has a checksum.
    Plain,
    /// One batch behind the other.
    Log,
    /// A producer snapshot.
    Snapshot,
    /// The files of a directory, see [`directory`].
    Directory,
}

/// One fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its file in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// What the bytes are.
    pub shape: Shape,
    /// The folder of its corpus in `fuzz/corpus`.
    pub corpus: &'static str,
    /// What one run costs, in runs of the cheapest.
    pub cost: u32,
}

const fn target(name: &'static str, run: fn(&[u8]), shape: Shape, cost: u32) -> Target {
    let corpus = if matches!(shape, Shape::Directory) { "directory" } else { name };
    Target { name, run, shape, corpus, cost }
}

/// All targets.
pub const ALL: [Target; 18] = [
    target("batch", format::batch, Shape::Log, 1),
    target("legacy_set", format::legacy_set, Shape::Log, 1),
    target("gzip", bodies::gzip, Shape::Plain, 2),
    target("snappy", bodies::snappy, Shape::Plain, 1),
    target("lz4", bodies::lz4, Shape::Plain, 1),
    target("zstd", bodies::zstd, Shape::Plain, 2),
    target("offset_index", companions::offset_index, Shape::Plain, 1),
    target("time_index", companions::time_index, Shape::Plain, 1),
    target("txn_index", companions::txn_index, Shape::Plain, 1),
    target("snapshot", companions::snapshot, Shape::Snapshot, 1),
    target("checkpoint", companions::checkpoint, Shape::Plain, 1),
    target("name", companions::name, Shape::Plain, 1),
    target("message", messages::message, Shape::Plain, 1),
    target("dump_directory", directory::dump, Shape::Directory, 20),
    target("groups_directory", messages::groups_directory, Shape::Directory, 20),
    target("verify_directory", directory::verify, Shape::Directory, 20),
    target("compact_directory", compaction::compact_directory, Shape::Directory, 40),
    target("repair_directory", mending::repair_directory, Shape::Directory, 60),
];
