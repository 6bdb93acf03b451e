//! What was asked of rounds, validated.

use std::hash::{BuildHasher, RandomState};

use anyhow::bail;

use crate::cli::args::{CompactArgs, RoundArgs};
use crate::compact::{Chosen, Rebase, RoundOptions};
use crate::units::Offset;

/// The options of rounds.
///
/// # Errors
/// What cannot be meant.
pub fn options(args: &CompactArgs, strategy: &Chosen) -> anyhow::Result<RoundOptions> {
    let RoundArgs { to_offset, full, rebase_from, rebase_high_watermark, .. } = &args.rounds;
    let RoundArgs { reindex, min_rewrite_ratio, keep_rounds, .. } = args.rounds;
    for (name, offset) in
        [("--to-offset", to_offset), ("--rebase-high-watermark", rebase_high_watermark)]
    {
        if let Some(offset) = offset.filter(|offset| *offset < 0) {
            bail!("{name} {offset}: offsets begin at 0");
        }
    }
    if !(0.0..=1.0).contains(&min_rewrite_ratio) {
        bail!("--min-rewrite-ratio {min_rewrite_ratio}: a share of records is from 0 to 1");
    }
    if keep_rounds == 0 && (reindex || min_rewrite_ratio > 0.0) {
        bail!("--keep-rounds 0 keeps no state, which --reindex and --min-rewrite-ratio are about");
    }
    if min_rewrite_ratio > 0.0 && !strategy.can_wait() {
        bail!(
            "--min-rewrite-ratio is not for --strategy {strategy}: a superseded value that waits \
             would count again when the deletion behind it goes"
        );
    }
    // Where something excludes --in-place, clap does not ask for it.
    if args.leave_deleted && !args.in_place {
        bail!("--leave-deleted is for --in-place");
    }
    if args.force && !(args.in_place || *full || rebase_from.is_some()) {
        bail!("--force is for --in-place, --full and --rebase-from");
    }
    if let Some(from) = rebase_from.as_ref().filter(|from| !from.is_dir()) {
        bail!("{}: --rebase-from names no folder", from.display());
    }
    Ok(RoundOptions {
        to_offset: to_offset.map(Offset),
        full: *full,
        force: args.force,
        rebase: rebase_from.as_ref().map(|from| Rebase {
            from: from.clone(),
            high_watermark: rebase_high_watermark.map(Offset),
        }),
        reindex,
        min_rewrite_ratio,
        keep_rounds,
        // Who fixes the clock wants the same bytes each time.
        secret: args.now.map_or_else(|| RandomState::new().hash_one(()), |_| 0),
    })
}
