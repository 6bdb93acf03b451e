//! The arguments of `dump` that say which records, as the room's selection.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::cli::args::{CommonArgs, IsolationArg, SelectionArgs};
use crate::cli::terminal::messages;
use crate::dump::{Damage, Isolation, Selection, Show, TimeRange, Witness, producers_of};
use crate::groups;
use crate::segment::{Sources, TopicPartition, partitions_around};
use crate::units::{Offset, Timestamp};

/// The selection that `args` stand for. What is wrong with what had to be read to know it goes to
/// `witness`.
pub fn selection(
    args: &SelectionArgs,
    paths: &[PathBuf],
    show: Show,
    common: &CommonArgs,
    witness: &mut dyn Witness,
) -> anyhow::Result<Selection> {
    if args.state && show != Show::Records {
        bail!("--state is about records; leave out --show");
    }
    let isolation = match args.isolation {
        Some(IsolationArg::ReadCommitted) => Isolation::ReadCommitted,
        // What was aborted is not part of a state, and goes when the log is compacted.
        None if args.state => Isolation::ReadCommitted,
        Some(IsolationArg::ReadUncommitted) | None => Isolation::ReadUncommitted,
    };
    if let Some(time) = args.time.as_ref().filter(|_| !common.quiet) {
        doubt_seconds(time);
    }
    let keys: BTreeSet<Vec<u8>> =
        args.key.iter().map(|key| bytes(key)).collect::<Result<_, _>>()?;
    let mut producer_ids: BTreeSet<i64> = args.producer_id.iter().copied().collect();
    if !args.transactional_id.is_empty() {
        producer_ids.extend(producers_of(&args.transactional_id, paths)?);
    }
    let starts = match &args.group {
        Some(group) => Some(committed(group, paths, witness)?),
        None => None,
    };
    Ok(Selection {
        show,
        offsets: args.offsets.unwrap_or_default(),
        starts,
        time: args.time.unwrap_or_default(),
        is_time_in_order: args.time_in_order,
        keys,
        key_regex: args.key_regex.clone(),
        value_regex: args.value_regex.clone(),
        producer_ids: (!producer_ids.is_empty()).then_some(producer_ids),
        isolation,
        is_state: args.state,
        is_reverse: args.reverse,
        limit: args.limit,
        memory_bytes: Some(common.memory_bytes()),
    })
}

/// Where `group` goes on, by the log directories that `paths` are, or lie in.
fn committed(
    group: &str,
    paths: &[PathBuf],
    witness: &mut dyn Witness,
) -> anyhow::Result<BTreeMap<TopicPartition, Offset>> {
    let mut offsets = BTreeSet::new();
    for path in paths {
        offsets.extend(partitions_around(path, groups::OFFSETS_TOPIC)?);
    }
    let partitions = offsets.into_iter().collect();
    let read = groups::read(&Sources { partitions, ..Sources::default() })?;
    for damage in &read.damage {
        let groups::Damage { path, position, what } = damage;
        witness.damage(&Damage { path, position: *position, what });
    }
    read.notes.iter().for_each(|note| witness.note(note));
    read.committed(group).with_context(|| format!("there is no group {group:?}"))
}

/// Whoever means seconds gets the year 1970.
fn doubt_seconds(time: &TimeRange) {
    const LEAST_PLAUSIBLE: Timestamp = Timestamp(100_000_000_000);
    let bounds = [time.start, time.end].into_iter().flatten();
    if let Some(early) = bounds.into_iter().find(|at| at.0 > 0 && *at < LEAST_PLAUSIBLE) {
        messages::warning(&format!(
            "--time {early} is in the seventies: numbers are milliseconds, not seconds or years"
        ));
    }
}

/// The bytes that a key on the command line stands for: its own, or those it spells out.
fn bytes(key: &OsStr) -> anyhow::Result<Vec<u8>> {
    let given = || format!("--key {}", key.display());
    let own = key.as_encoded_bytes();
    if let Some(text) = own.strip_prefix(b"base64:") {
        STANDARD.decode(text).with_context(given)
    } else if let Some(text) = own.strip_prefix(b"hex:") {
        from_hex(text).with_context(|| given() + ": expected pairs of hexadecimal digits")
    } else {
        Ok(own.to_vec())
    }
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_may_be_spelled_out() {
        let of = |key: &str| bytes(OsStr::new(key)).ok();
        assert_eq!(of("user1"), Some(b"user1".to_vec()));
        assert_eq!(of("hex:00fF"), Some(vec![0, 255]));
        assert_eq!(of("base64:AP8="), Some(vec![0, 255]));
        assert_eq!(of(""), Some(Vec::new()));
        for odd in ["hex:0", "hex:0g", "base64:*"] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
