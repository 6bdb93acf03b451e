//! `logcompact groups`: reads the groups, shows what was asked for, says what was found on the way.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::bail;

mod json;

use crate::cli::Outcome;
use crate::cli::args::{CommonArgs, GroupsArgs, GroupsFormat};
use crate::cli::terminal::{Column, Table, columns, messages, plain};
use crate::groups::{self, Assigned, Commit, Group, GroupKind, Groups};
use crate::report::counted;
use crate::segment::find_partitions;

/// What is shown of each group.
#[derive(Clone, Copy, Default)]
struct Parts {
    offsets: bool,
    members: bool,
    state: bool,
}

/// Runs the command.
pub fn run(view: &GroupsArgs, common: &CommonArgs) -> anyhow::Result<Outcome> {
    let names_groups = !view.group.is_empty() || view.all_groups;
    let (is_describe, dirs) = match split_word(&view.dirs) {
        (Some(Word::List), _) if names_groups => {
            bail!("list shows all groups; to see one of them: groups describe --group GROUP DIR")
        }
        (Some(_), []) => bail!("name the directories behind the word: groups list DIR"),
        (Some(word), dirs) => (word == Word::Describe, dirs),
        (None, dirs) => (names_groups, dirs),
    };
    let has_parts = view.offsets || view.members || view.state;
    if has_parts && !is_describe {
        bail!(
            "--offsets, --members and --state describe groups; add --group GROUP or --all-groups"
        );
    }
    let sources = find_partitions(dirs)?;
    let groups = groups::read(&sources)?;
    let chosen = chosen(&groups, &view.group)?;
    let mut out = BufWriter::new(anstream::stdout().lock());
    match (view.format, is_describe) {
        (GroupsFormat::Text, false) => write_list(&mut out, &groups)?,
        (GroupsFormat::Text, true) => describe_text(&mut out, &groups, &chosen, view)?,
        (GroupsFormat::Json, false) => {
            for (name, group) in &groups.groups {
                json::write_group(&mut out, &groups, name, group)?;
            }
        }
        (GroupsFormat::Json, true) => describe_json(&mut out, &groups, &chosen, view)?,
    }
    out.flush()?;
    if !common.quiet {
        tell(&groups, &chosen, common);
    }
    let is_damaged = !groups.damage.is_empty();
    Ok(if is_damaged { Outcome::Problems } else { Outcome::Clean })
}

/// What may stand in front of the directories.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    List,
    Describe,
}

/// A word is one only if a directory follows, or if it is none itself.
fn split_word(dirs: &[PathBuf]) -> (Option<Word>, &[PathBuf]) {
    let word = |first: &PathBuf| match first.to_str() {
        Some("list") => Some(Word::List),
        Some("describe") => Some(Word::Describe),
        _ => None,
    };
    match dirs.split_first() {
        Some((first, rest)) if !rest.is_empty() || !first.exists() => match word(first) {
            Some(word) => (Some(word), rest),
            None => (None, dirs),
        },
        _ => (None, dirs),
    }
}

/// The groups that are named, or all of them.
fn chosen<'a>(groups: &'a Groups, names: &[String]) -> anyhow::Result<Vec<(&'a str, &'a Group)>> {
    if names.is_empty() {
        return Ok(groups.groups.iter().map(|(name, group)| (name.as_str(), group)).collect());
    }
    let mut chosen = Vec::new();
    for name in names {
        let Some((name, group)) = groups.groups.get_key_value(name) else {
            let known = counted(groups.groups.len() as u64, "group");
            bail!("there is no group {name:?} here; {known} can be listed");
        };
        chosen.push((name.as_str(), group));
    }
    Ok(chosen)
}

fn write_list(out: &mut impl Write, all: &Groups) -> io::Result<()> {
    let mut table = Table::with_all(&[
        Column::text("GROUP", 0),
        Column::text("TYPE", 1),
        Column::text("STATE", 0),
        Column::number("MEMBERS", 0),
        Column::number("OFFSETS", 2),
        Column::number("LAG", 0),
    ]);
    for (name, group) in &all.groups {
        let rows = all.rows(group);
        let lag = groups::total_lag(&rows);
        // Where only some of the ends are known, the sum must not pass for all of it.
        let is_part = rows.iter().any(|row| row.commit.is_some() && row.log_end.is_none());
        let lag = lag.map(|lag| if is_part { format!("{lag}+?") } else { lag.to_string() });
        table.row(vec![
            shown(name),
            kind(group).into(),
            group.state().name().into(),
            group.members.len().to_string(),
            group.commits.len().to_string(),
            or_dash(lag),
        ]);
    }
    table.write(out, columns())
}

fn describe_text<W: Write>(
    out: &mut W,
    groups: &Groups,
    chosen: &[(&str, &Group)],
    view: &GroupsArgs,
) -> io::Result<()> {
    let parts = parts(view, false);
    let mut is_first = true;
    let mut gap = |out: &mut W| -> io::Result<()> {
        let is_between = !std::mem::take(&mut is_first);
        if is_between { writeln!(out) } else { Ok(()) }
    };
    for (name, group) in chosen {
        if parts.state {
            gap(out)?;
            state_table(out, name, group)?;
        }
        if parts.members {
            gap(out)?;
            member_table(out, name, group)?;
        }
        if parts.offsets {
            gap(out)?;
            offset_table(out, groups, name, group)?;
        }
    }
    Ok(())
}

fn describe_json(
    out: &mut impl Write,
    groups: &Groups,
    chosen: &[(&str, &Group)],
    view: &GroupsArgs,
) -> io::Result<()> {
    let parts = parts(view, true);
    for (name, group) in chosen {
        if parts.state {
            json::write_group(out, groups, name, group)?;
        }
        if parts.members {
            json::write_members(out, name, group)?;
        }
        if parts.offsets {
            json::write_offsets(out, groups, name, group)?;
        }
    }
    Ok(())
}

/// What is asked for; without a word, what people look at first, or for programs all of it.
fn parts(view: &GroupsArgs, is_all: bool) -> Parts {
    let GroupsArgs { offsets, members, state, .. } = *view;
    if offsets || members || state {
        Parts { offsets, members, state }
    } else {
        Parts { offsets: true, members: is_all, state: is_all }
    }
}

fn state_table(out: &mut impl Write, name: &str, group: &Group) -> io::Result<()> {
    let mut table = Table::with_all(&[
        Column::text("GROUP", 0),
        Column::text("TYPE", 2),
        Column::text("STATE", 0),
        Column::number("GENERATION", 3),
        Column::text("ASSIGNMENT-STRATEGY", 1),
        Column::text("LEADER", 4),
        Column::number("MEMBERS", 0),
        Column::number("COORDINATOR-PARTITION", 5),
    ]);
    table.row(vec![
        shown(name),
        kind(group).into(),
        group.state().name().into(),
        or_dash(group.generation),
        shown(group.protocol.as_deref().unwrap_or_default()),
        shown(group.leader.as_deref().unwrap_or_default()),
        group.members.len().to_string(),
        group.coordinator_partition.to_string(),
    ]);
    table.write(out, columns())
}

fn member_table(out: &mut impl Write, name: &str, group: &Group) -> io::Result<()> {
    let mut table = Table::with_all(&[
        Column::text("GROUP", 0),
        Column::text("CONSUMER-ID", 0),
        Column::text("GROUP-INSTANCE-ID", 4),
        Column::text("HOST", 2),
        Column::text("CLIENT-ID", 3),
        Column::number("PARTITIONS", 0),
        Column::number("EPOCH", 5),
        Column::text("ASSIGNMENT", 1),
        Column::text("TARGET", 6),
    ]);
    for (id, member) in &group.members {
        let partitions: usize = member.assigned.iter().map(|one| one.partitions.len()).sum();
        table.row(vec![
            shown(name),
            shown(id),
            shown(member.instance_id.as_deref().unwrap_or_default()),
            shown(&member.host),
            shown(&member.client_id),
            partitions.to_string(),
            or_dash(member.epoch),
            assignment(&member.assigned),
            assignment(&member.target),
        ]);
    }
    table.write(out, columns())
}

fn offset_table(
    out: &mut impl Write,
    groups: &Groups,
    name: &str,
    group: &Group,
) -> io::Result<()> {
    let mut table = Table::with_all(&[
        Column::text("GROUP", 4),
        Column::text("TOPIC", 0),
        Column::number("PARTITION", 0),
        Column::number("CURRENT-OFFSET", 0),
        Column::number("LOG-END-OFFSET", 0),
        Column::number("LAG", 0),
        Column::text("CONSUMER-ID", 1),
        Column::text("HOST", 2),
        Column::text("CLIENT-ID", 3),
    ]);
    for row in groups.rows(group) {
        table.row(vec![
            shown(name),
            shown(row.at.as_ref().map(|at| at.topic.as_str()).unwrap_or_default()),
            or_dash(row.at.as_ref().map(|at| at.partition)),
            or_dash(row.commit.and_then(Commit::read_on)),
            or_dash(row.log_end),
            or_dash(row.lag()),
            shown(row.member.map(|(id, _)| id).unwrap_or_default()),
            shown(row.member.map(|(_, member)| member.host.as_str()).unwrap_or_default()),
            shown(row.member.map(|(_, member)| member.client_id.as_str()).unwrap_or_default()),
        ]);
    }
    table.write(out, columns())
}

/// A name as it may stand on a terminal; `-` for none.
fn shown(name: &str) -> String {
    if name.is_empty() { "-".into() } else { plain(name).into_owned() }
}

/// `orders(0,1,2), people(4)`
fn assignment(assigned: &[Assigned]) -> String {
    let one = |one: &Assigned| {
        let partitions: Vec<String> = one.partitions.iter().map(ToString::to_string).collect();
        format!("{}({})", shown(one.of.name()), partitions.join(","))
    };
    let all: Vec<String> = assigned.iter().map(one).collect();
    if all.is_empty() { "-".into() } else { all.join(", ") }
}

fn kind(group: &Group) -> &'static str {
    match group.kind {
        GroupKind::Classic => "Classic",
        GroupKind::Consumer => "Consumer",
        GroupKind::Share => "Share",
        GroupKind::Streams => "Streams",
    }
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// What is worth knowing beside the result.
fn tell(groups: &Groups, chosen: &[(&str, &Group)], common: &CommonArgs) {
    for damage in &groups.damage {
        messages::warning(&damage.to_string());
    }
    for note in &groups.notes {
        messages::warning(note);
    }
    for (kind, count) in &groups.unknown {
        let records = counted(*count, "record");
        messages::warning(&format!(
            "{records} of type {kind}, or a version of it, that is not known here; not counted in"
        ));
    }
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
    for (name, group) in chosen {
        let name = shown(name);
        for row in groups.rows(group) {
            if let (Some(at), Some(lag @ ..0)) = (&row.at, row.lag()) {
                let behind = counted(lag.unsigned_abs(), "offset");
                messages::warning(&format!(
                    "group {name}: the log of {} ends {behind} before what was committed; it was \
                     cut, or is an older copy",
                    shown(&at.to_string()),
                ));
            }
        }
        if group.pending_commits > 0 {
            messages::warning(&format!(
                "group {name}: {} in transactions that have not ended, which do not count",
                counted(group.pending_commits, "commit"),
            ));
        }
        let is_over = |commit: &&Commit| {
            commit.expires.is_some_and(|expires| i128::from(expires.0) < now_ms as i128)
        };
        let expired = group.commits.values().filter(is_over).count();
        if expired > 0 {
            messages::warning(&format!(
                "group {name}: {} past the time that the client set; a broker would drop them",
                counted(expired as u64, "commit"),
            ));
        }
    }
    if common.verbose > 0 {
        messages::note(&format!(
            "read {} of {}",
            counted(groups.records, "record"),
            counted(groups.partitions as u64, "partition"),
        ));
    }
}
