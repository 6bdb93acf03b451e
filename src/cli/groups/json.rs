//! Groups as JSON, an object a line: the names and their order are a promise, written down in the
//! structs. Timestamps are milliseconds; what is not known is null.

use std::io::{self, Write};

use serde::Serialize;

use crate::groups::{Assigned, Group, GroupKind, GroupState, Groups, Member, total_lag};
use crate::units::{Offset, Timestamp};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Group {
        group: &'a str,
        kind: GroupKind,
        state: GroupState,
        generation: Option<i32>,
        assignment_epoch: Option<i32>,
        protocol_type: &'a str,
        protocol: Option<&'a str>,
        leader: Option<&'a str>,
        state_timestamp: Option<Timestamp>,
        coordinator_partition: i32,
        members: usize,
        offsets: usize,
        pending_offsets: u64,
        /// Over the partitions whose ends are known.
        lag: Option<i64>,
        offsets_without_log: usize,
    },
    Member {
        group: &'a str,
        member_id: &'a str,
        group_instance_id: Option<&'a str>,
        client_id: &'a str,
        host: &'a str,
        rack_id: Option<&'a str>,
        epoch: Option<i32>,
        subscribed: &'a [String],
        assigned: Vec<AssignedLine<'a>>,
        target: Vec<AssignedLine<'a>>,
    },
    Offset {
        group: &'a str,
        topic: &'a str,
        partition: i32,
        offset: Option<Offset>,
        leader_epoch: Option<i32>,
        metadata: Option<&'a str>,
        commit_timestamp: Option<Timestamp>,
        expire_timestamp: Option<Timestamp>,
        log_end_offset: Option<Offset>,
        lag: Option<i64>,
        member_id: Option<&'a str>,
        host: Option<&'a str>,
        client_id: Option<&'a str>,
    },
}

#[derive(Serialize)]
struct AssignedLine<'a> {
    topic: &'a str,
    partitions: &'a [i32],
}

/// The line of a group.
pub fn write_group(
    out: &mut impl Write,
    groups: &Groups,
    name: &str,
    group: &Group,
) -> io::Result<()> {
    let rows = groups.rows(group);
    line(
        out,
        &Line::Group {
            group: name,
            kind: group.kind,
            state: group.state(),
            generation: group.generation,
            assignment_epoch: group.assignment_epoch,
            protocol_type: &group.protocol_type,
            protocol: group.protocol.as_deref(),
            leader: group.leader.as_deref(),
            state_timestamp: group.since,
            coordinator_partition: group.coordinator_partition,
            members: group.members.len(),
            offsets: group.commits.len(),
            pending_offsets: group.pending_commits,
            lag: total_lag(&rows),
            offsets_without_log: rows
                .iter()
                .filter(|row| row.commit.is_some() && row.log_end.is_none())
                .count(),
        },
    )
}

/// The lines of a group's members.
pub fn write_members(out: &mut impl Write, name: &str, group: &Group) -> io::Result<()> {
    for (id, member) in &group.members {
        let Member { client_id, host, subscribed, epoch, .. } = member;
        line(
            out,
            &Line::Member {
                group: name,
                member_id: id,
                group_instance_id: member.instance_id.as_deref(),
                client_id,
                host,
                rack_id: member.rack_id.as_deref(),
                epoch: *epoch,
                subscribed,
                assigned: assigned(&member.assigned),
                target: assigned(&member.target),
            },
        )?;
    }
    Ok(())
}

/// The lines of what a group has committed or been assigned.
pub fn write_offsets(
    out: &mut impl Write,
    groups: &Groups,
    name: &str,
    group: &Group,
) -> io::Result<()> {
    for row in groups.rows(group) {
        let Some(at) = &row.at else { continue };
        line(
            out,
            &Line::Offset {
                group: name,
                topic: &at.topic,
                partition: at.partition,
                offset: row.commit.map(|commit| commit.offset),
                leader_epoch: row.commit.and_then(|commit| commit.leader_epoch),
                metadata: row.commit.map(|commit| commit.metadata.as_str()),
                commit_timestamp: row.commit.map(|commit| commit.committed),
                expire_timestamp: row.commit.and_then(|commit| commit.expires),
                log_end_offset: row.log_end,
                lag: row.lag(),
                member_id: row.member.map(|(id, _)| id),
                host: row.member.map(|(_, member)| member.host.as_str()),
                client_id: row.member.map(|(_, member)| member.client_id.as_str()),
            },
        )?;
    }
    Ok(())
}

fn assigned(assigned: &[Assigned]) -> Vec<AssignedLine<'_>> {
    assigned
        .iter()
        .map(|one| AssignedLine { topic: one.of.name(), partitions: &one.partitions })
        .collect()
}

fn line(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}
