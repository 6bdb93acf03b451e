//! The commit of a round.
pub const NAME: &str = "journal.json";
