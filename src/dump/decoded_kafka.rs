//! What records of internal topics say, in the words of `kafka-dump-log.sh` with a decoder; of
//! records that it cannot read, the words of its exceptions.

use std::io::{self, Write};

use super::decoded::Said;
use crate::messages::{Flaw, Part, Undecodable};
use crate::units::Offset;

/// Appends the rest of a record's line.
pub(super) fn put(out: &mut Vec<u8>, said: &Said<'_>, offset: Offset) -> io::Result<()> {
    match said {
        Said::Coordinator(_, Some(Err(reason))) | Said::Nothing(reason) => {
            put_error(out, *reason, offset)
        }
        Said::Coordinator(key, value) => {
            write!(out, " key: {{\"type\":\"{}\",\"data\":", key.number)?;
            put_data(out, key);
            match value {
                Some(Ok(value)) => {
                    write!(out, " payload: {{\"version\":\"{}\",\"data\":", value.number)?;
                    put_data(out, value);
                }
                _ => write!(out, " payload: <DELETE>")?,
            }
            Ok(())
        }
        Said::Metadata(record) => {
            let (name, version) = (record.name, record.number);
            write!(out, " payload: {{\"type\":\"{name}\",\"version\":{version},\"data\":")?;
            put_data(out, record);
            Ok(())
        }
    }
}

fn put_data(out: &mut Vec<u8>, part: &Part<'_>) {
    part.data.put_json(out);
    out.push(b'}');
}

fn put_error(out: &mut Vec<u8>, reason: Undecodable, offset: Offset) -> io::Result<()> {
    let in_metadata = |out: &mut Vec<u8>, text: String| {
        write!(out, " payload: Error at {offset}, skipping. {text}")
    };
    let in_coordinators = |out: &mut Vec<u8>, text: String| {
        write!(out, " key: Error at offset {offset}, skipping. {text}")
    };
    match reason {
        Undecodable::Type(kind) => {
            write!(out, " key: Unknown record type {kind} at offset {offset}, skipping.")
        }
        Undecodable::NoNumber(side) => {
            in_coordinators(out, format!("Could not read version from {}'s buffer.", side.name()))
        }
        Undecodable::Version { kind, version } => in_coordinators(
            out,
            format!("Found an unknown record version {version} for {kind} type"),
        ),
        Undecodable::Broken { side, number, flaw } => {
            let side = side.name();
            let cause = cause(flaw);
            in_coordinators(
                out,
                format!(
                    "Could not read record with version {number} from {side}'s buffer due to: \
                     {cause}."
                ),
            )
        }
        // The tool ends here; this goes on.
        Undecodable::NoKey => in_coordinators(out, reason.to_string()),
        Undecodable::NoValue => in_metadata(out, reason.to_string()),
        Undecodable::NoVarint(what) => in_metadata(out, format!("Error while reading {what}")),
        Undecodable::LargeVarint(what) => {
            in_metadata(out, format!("Value for {what} was too large."))
        }
        Undecodable::Frame(0) => in_metadata(
            out,
            "Could not deserialize metadata record with frame version 0. Note that upgrades from \
             the preview release of KRaft in 2.8 to newer versions are not supported."
                .into(),
        ),
        Undecodable::Frame(frame) => in_metadata(
            out,
            format!(
                "Could not deserialize metadata record due to unknown frame version {frame}(only \
                 frame version 1 is supported)"
            ),
        ),
        Undecodable::MetadataType(kind) => in_metadata(
            out,
            format!(
                "org.apache.kafka.common.errors.UnsupportedVersionException: Unknown metadata id \
                 {kind}"
            ),
        ),
        Undecodable::BrokenMetadata { kind, .. } => {
            in_metadata(out, format!("Failed to deserialize record with type {kind}"))
        }
        Undecodable::Trailing { kind, size_bytes } => {
            in_metadata(out, format!("Found {size_bytes} byte(s) of garbage after {kind}"))
        }
    }
}

/// The message of the exception that Java's buffers throw.
fn cause(flaw: Flaw) -> String {
    match flaw {
        Flaw::Overrun(..) => "null".into(),
        Flaw::Length { length, left, is_list: true, .. } => format!(
            "Tried to allocate a collection of size {length}, but there are only {left} bytes \
             remaining."
        ),
        Flaw::Length { length, left, is_list: false, .. } => {
            format!("Error reading byte array of {length} byte(s): only {left} byte(s) available")
        }
        Flaw::Text(field, length) => format!("string field {field} had invalid length {length}"),
        Flaw::Null(field) => format!("non-nullable field {field} was serialized as null"),
        Flaw::Version(_) | Flaw::Large => flaw.to_string(),
    }
}
