//! The damage of a partition as its report lists it.

use super::look::Survey;
use super::plan::Plan;
use super::policy::OnDamage;
use super::task::Done;
use crate::report::Damage;
use crate::segment::{Damaged, FileName, Kind};

/// What is done about damage if nothing else is said.
pub const LEFT_ALONE: &str = "partition left alone";

/// Damaged ranges that a report lists one by one.
const MOST_DAMAGE_LISTED: usize = 1000;

impl Done {
    /// Lists the damage of the surveys; `action` tells by number of the segment what is done about
    /// it.
    pub fn list_damage(&mut self, surveys: &[Survey], action: impl Fn(usize) -> &'static str) {
        self.add_damage(surveys, action);
        self.bound_damage();
    }

    fn add_damage(&mut self, surveys: &[Survey], action: impl Fn(usize) -> &'static str) {
        for (at, survey) in surveys.iter().enumerate() {
            let entries = survey.damage.iter().map(|damaged| entry(survey, damaged, action(at)));
            self.damage.extend(entries);
        }
    }

    /// Lists that of a partition of which `plan` cleans a part.
    pub fn list_damage_around(
        &mut self,
        surveys: &[Survey],
        plan: &Plan,
        on_damage: OnDamage,
        in_place: bool,
    ) {
        self.list_damage(surveys, |at| match on_damage {
            OnDamage::Fail => LEFT_ALONE,
            _ if at < plan.retired => "gone with its segment",
            _ if at >= plan.cleaned && in_place && !plan.is_reworked(at) => {
                "left where it is, outside the cleaned range"
            }
            OnDamage::Skip => "dropped",
            OnDamage::Keep => "kept byte for byte",
        });
    }

    /// Takes note of the damage that headers show, and that leaves the partition alone.
    pub fn note_surveyed(&mut self, surveys: &[Survey]) {
        self.add_damage(surveys, |_| LEFT_ALONE);
    }

    /// Takes note of damage that was met, by number of the segment in `surveys`, and that leaves
    /// the partition alone.
    pub fn note_damage(&mut self, surveys: &[Survey], damage: &[(usize, Damaged)]) {
        let in_log = |(at, damaged): &(usize, Damaged)| {
            surveys.get(*at).map(|survey| entry(survey, damaged, LEFT_ALONE))
        };
        self.damage.extend(damage.iter().filter_map(in_log));
    }

    /// The partition left alone for the damage that was met. What is met depends on how far reading
    /// came, and in which order; so everything is to be `examined` now, and all that would be
    /// skipped is listed.
    pub fn left_alone_for_damage(mut self, examined: &[Survey]) -> Done {
        let met = std::mem::take(&mut self.damage);
        self.add_damage(examined, |_| LEFT_ALONE);
        if self.damage.is_empty() {
            self.damage = met;
        }
        let ranges = self.damage.len();
        self.bound_damage();
        let first = self.damage.first();
        let first = first.map(|d| format!("{} position {}: {}", d.segment, d.position, d.reason));
        self.left_alone = Some(format!(
            "{} damaged {}, the first at {}; `logcompact verify` lists them all",
            ranges,
            if ranges == 1 { "range" } else { "ranges" },
            first.unwrap_or_default(),
        ));
        self
    }

    fn bound_damage(&mut self) {
        let ranges = self.damage.len();
        if ranges > MOST_DAMAGE_LISTED {
            self.damage.truncate(MOST_DAMAGE_LISTED);
            let text = format!("of {ranges} damaged ranges {MOST_DAMAGE_LISTED} are listed");
            self.warnings.push(text);
        }
    }
}

/// A stretch, for the report.
fn entry(survey: &Survey, damaged: &Damaged, action: &'static str) -> Damage {
    Damage {
        segment: segment_name(survey),
        position: damaged.position,
        size: damaged.size_bytes,
        reason: damaged.flaw.to_string(),
        action,
    }
}

/// What the log of a segment is called.
pub fn segment_name(survey: &Survey) -> String {
    FileName::new(survey.segment.named(), Kind::Log).to_string()
}
