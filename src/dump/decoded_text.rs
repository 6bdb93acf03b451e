//! What records of internal topics say, for people: one line, the names first, then what matters.

use std::fmt::Write as _;

use super::decoded::Said;
use super::printable::printable;
use super::text::time;
use crate::format::Record;
use crate::messages::{Part, Undecodable, Value};
use crate::units::Timestamp;

/// `TransactionState`, by its id.
const TRANSACTION_STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
];

/// What a record says.
pub(super) fn describe(said: &Said<'_>, record: &Record<'_>) -> String {
    match said {
        Said::Coordinator(key, value) => {
            let mut text = title(key);
            match value {
                None => text.push_str("  <tombstone>"),
                Some(Ok(value)) => {
                    put_value(&mut text, value);
                    put_trailing(&mut text, value);
                }
                Some(Err(reason)) => put_raw(&mut text, record.value, *reason),
            }
            text
        }
        Said::Metadata(record) => {
            let mut text = pascal(record.name);
            put_fields(&mut text, &record.data);
            text
        }
        Said::Nothing(reason) => {
            let mut text = format!("key {}  value", printable(record.key, "null", None));
            put_raw(&mut text, record.value, *reason);
            text
        }
    }
}

/// A line that fits; what is left out is an ellipsis.
pub(super) fn cut(mut line: String, width_columns: Option<usize>) -> String {
    const ELLIPSIS: &str = "...";
    let Some(width) = width_columns else { return line };
    let room = width.max(60).saturating_sub(ELLIPSIS.len());
    if line.chars().count() > room + ELLIPSIS.len()
        && let Some((at, _)) = line.char_indices().nth(room)
    {
        line.truncate(at);
        line.push_str(ELLIPSIS);
    }
    line
}

fn title(key: &Part<'_>) -> String {
    let data = &key.data;
    let text = |name| printable(data.text(name).map(str::as_bytes), "null", None);
    match key.name {
        "LegacyOffsetCommit" | "OffsetCommit" => {
            let partition = data.int("partition").unwrap_or(-1);
            format!("offset commit  group {}  topic {}-{partition}", text("group"), text("topic"))
        }
        "GroupMetadata" => format!("group {}", text("group")),
        "TransactionLog" => format!("transactional id {}", text("transactionalId")),
        name => {
            let mut title = words(name);
            put_fields(&mut title, data);
            title
        }
    }
}

fn put_value(text: &mut String, value: &Part<'_>) {
    match value.name {
        "LegacyOffsetCommitValue" | "OffsetCommitValue" => put_commit(text, &value.data),
        "GroupMetadataValue" => put_group(text, &value.data),
        "TransactionLogValue" => put_transaction(text, &value.data),
        _ => put_fields(text, &value.data),
    }
}

fn put_commit(text: &mut String, data: &Value<'_>) {
    let _ = write!(text, "  offset {}", data.int("offset").unwrap_or(-1));
    if let Some(epoch) = data.int("leaderEpoch").filter(|epoch| *epoch >= 0) {
        let _ = write!(text, "  leader epoch {epoch}");
    }
    for (name, words) in [("commitTimestamp", "committed"), ("expireTimestamp", "expires")] {
        if let Some(ms) = data.int(name).filter(|ms| *ms >= 0) {
            let _ = write!(text, "  {words} {}", time(Timestamp(ms)));
        }
    }
    if let Some(metadata) = data.text("metadata").filter(|metadata| !metadata.is_empty()) {
        let _ = write!(text, "  metadata {}", printable(Some(metadata.as_bytes()), "", None));
    }
}

fn put_group(text: &mut String, data: &Value<'_>) {
    let named =
        |value: &Value<'_>, name| printable(value.text(name).map(str::as_bytes), "none", None);
    let generation = data.int("generation").unwrap_or(-1);
    let members = data.list("members");
    let _ = write!(text, "  generation {generation}  type {}", named(data, "protocolType"));
    let _ = write!(text, "  protocol {}", named(data, "protocol"));
    let _ = write!(text, "  leader {}  members {}", named(data, "leader"), members.len());
    for member in members {
        let (id, host) = (named(member, "memberId"), named(member, "clientHost"));
        let _ = write!(text, "  [{id} at {host}");
        if let Some(assignment) = member.get("assignment") {
            for topic in assignment.list("assignedPartitions") {
                let partitions: Vec<String> =
                    topic.list("partitions").iter().map(Value::json).collect();
                let _ = write!(text, "  {} {}", named(topic, "topic"), partitions.join(","));
            }
        }
        text.push(']');
    }
}

fn put_transaction(text: &mut String, data: &Value<'_>) {
    let int = |name| data.int(name).unwrap_or(-1);
    let state = usize::try_from(int("transactionStatus")).ok();
    let state = state.and_then(|state| TRANSACTION_STATES.get(state)).unwrap_or(&"unknown state");
    let (producer, epoch) = (int("producerId"), int("producerEpoch"));
    let _ = write!(text, "  {state}  producer {producer} epoch {epoch}");
    let _ = write!(text, "  timeout {} ms", int("transactionTimeoutMs"));
    if let ms @ 0.. = int("transactionStartTimestampMs") {
        let _ = write!(text, "  begun {}", time(Timestamp(ms)));
    }
    for topic in data.list("transactionPartitions") {
        let name = printable(topic.text("topic").map(str::as_bytes), "null", None);
        let ids: Vec<String> = topic.list("partitionIds").iter().map(Value::json).collect();
        let _ = write!(text, "  [{name} {}]", ids.join(","));
    }
}

/// The fields by their names, all of them.
fn put_fields(text: &mut String, data: &Value<'_>) {
    let Value::Struct(fields) = data else { return };
    for (name, value) in fields {
        let shown = match value {
            Value::Text(shown) => printable(Some(shown.as_bytes()), "", None),
            // JSON has no control characters; those that turn text around are escaped here.
            other => printable(Some(other.json().as_bytes()), "", None),
        };
        let _ = write!(text, "  {name} {shown}");
    }
}

fn put_raw(text: &mut String, bytes: Option<&[u8]>, reason: Undecodable) {
    let _ = write!(text, "  {}  (not decoded: {reason})", printable(bytes, "null", None));
}

fn put_trailing(text: &mut String, part: &Part<'_>) {
    if part.trailing_bytes > 0 {
        let _ = write!(text, "  ({} bytes behind its end)", part.trailing_bytes);
    }
}

/// `TOPIC_RECORD` as `TopicRecord`.
fn pascal(name: &str) -> String {
    let mut text = String::new();
    for word in name.split('_') {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        text.push_str(first);
        text.push_str(&rest.to_ascii_lowercase());
    }
    text
}

/// `ConsumerGroupMetadata` as `consumer group metadata`.
fn words(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(character.to_ascii_lowercase());
    }
    text
}
