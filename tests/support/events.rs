//! Records with all that a strategy can look at: times of their own, headers, any magic and codec.

use logcompact::format::codec::{Codec, Workbench};

use super::log::{Log, seal, zigzag};

/// A record to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub timestamp_ms: i64,
    /// Names and values; magic 2 only.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What a batch is besides its events.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    pub magic: u8,
    pub codec: Codec,
    /// The broker set the time: that of the last event.
    pub is_append_time: bool,
    /// The producer of the transaction, and the first sequence.
    pub transaction: Option<(i64, i32)>,
}

pub const PLAIN: Kind =
    Kind { magic: 2, codec: Codec::None, is_append_time: false, transaction: None };

impl Event {
    /// A record with a key and a value.
    pub fn put(key: &str, value: &str, timestamp_ms: i64) -> Event {
        let (key, value) = (Some(key.into()), Some(value.into()));
        Event { key, value, timestamp_ms, headers: Vec::new() }
    }

    /// A record that deletes a key.
    pub fn delete(key: &str, timestamp_ms: i64) -> Event {
        Event { value: None, ..Event::put(key, "", timestamp_ms) }
    }

    /// With one more header.
    pub fn with(mut self, name: &str, value: Option<&[u8]>) -> Event {
        self.headers.push((name.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }
}

/// Appends a batch to the log (of magic 0 and 1 without a codec, as many as there are events).
pub fn append(log: &mut Log, kind: Kind, events: &[Event]) {
    let base_offset = log.next_offset();
    let bytes = bytes_of(base_offset, kind, events);
    log.raw(&bytes).skip_to(base_offset + events.len() as i64);
}

/// The bytes of a batch (of magic 0 and 1 without a codec, as many as there are events).
pub fn bytes_of(base_offset: i64, kind: Kind, events: &[Event]) -> Vec<u8> {
    match kind.magic {
        2 => batch_of(base_offset, kind, events),
        _ => messages_of(base_offset, kind, events),
    }
}

fn batch_of(base_offset: i64, kind: Kind, events: &[Event]) -> Vec<u8> {
    let base_ms = events[0].timestamp_ms;
    let mut body = Vec::new();
    for (delta, event) in events.iter().enumerate() {
        let mut record = vec![0];
        zigzag(&mut record, event.timestamp_ms - base_ms);
        zigzag(&mut record, delta as i64);
        put(&mut record, event.key.as_deref());
        put(&mut record, event.value.as_deref());
        zigzag(&mut record, event.headers.len() as i64);
        for (name, value) in &event.headers {
            put(&mut record, Some(name.as_bytes()));
            put(&mut record, value.as_deref());
        }
        zigzag(&mut body, record.len() as i64);
        body.extend_from_slice(&record);
    }
    let flags = [(kind.is_append_time, 3), (kind.transaction.is_some(), 4)];
    let flags: i16 = flags.into_iter().map(|(is_set, bit)| i16::from(is_set) << bit).sum();
    let attributes = flags | i16::from(kind.codec.id());
    let (producer_id, base_sequence) = kind.transaction.unwrap_or((-1, -1));
    let epoch = if producer_id < 0 { -1i16 } else { 0 };
    let count = events.len() as i32;
    let mut checked = Vec::new();
    checked.extend_from_slice(&attributes.to_be_bytes());
    checked.extend_from_slice(&(count - 1).to_be_bytes());
    checked.extend_from_slice(&base_ms.to_be_bytes());
    checked.extend_from_slice(&batch_ms(kind, events).to_be_bytes());
    checked.extend_from_slice(&producer_id.to_be_bytes());
    checked.extend_from_slice(&epoch.to_be_bytes());
    checked.extend_from_slice(&base_sequence.to_be_bytes());
    checked.extend_from_slice(&count.to_be_bytes());
    Workbench::new().compress(kind.codec, 2, &body, &mut checked).unwrap();
    seal(base_offset, &checked)
}

fn put(out: &mut Vec<u8>, field: Option<&[u8]>) {
    zigzag(out, field.map_or(-1, |bytes| bytes.len() as i64));
    out.extend_from_slice(field.unwrap_or_default());
}

/// The timestamp in the header.
fn batch_ms(kind: Kind, events: &[Event]) -> i64 {
    let newest = events.iter().map(|event| event.timestamp_ms).max().unwrap();
    if kind.is_append_time { events[events.len() - 1].timestamp_ms } else { newest }
}

fn messages_of(base_offset: i64, kind: Kind, events: &[Event]) -> Vec<u8> {
    let is_packed = kind.codec != Codec::None;
    // Inside a set of magic 1 offsets count from its first message.
    let start = if is_packed && kind.magic == 1 { 0 } else { base_offset };
    let flag = if kind.is_append_time && kind.magic == 1 { 8 } else { 0 };
    let batch_ms = batch_ms(kind, events);
    let mut inner = Vec::new();
    for (delta, event) in events.iter().enumerate() {
        let ms = if flag != 0 && !is_packed { batch_ms } else { event.timestamp_ms };
        let (key, value) = (event.key.as_deref(), event.value.as_deref());
        message(&mut inner, start + delta as i64, (kind.magic, flag), ms, key, value);
    }
    if !is_packed {
        return inner;
    }
    let (mut set, mut out) = (Vec::new(), Vec::new());
    Workbench::new().compress(kind.codec, kind.magic, &inner, &mut set).unwrap();
    let last = base_offset + events.len() as i64 - 1;
    message(&mut out, last, (kind.magic, flag | kind.codec.id()), batch_ms, None, Some(&set));
    out
}

fn message(
    out: &mut Vec<u8>,
    offset: i64,
    (magic, attributes): (u8, u8),
    ms: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let mut checked = vec![magic, attributes];
    if magic == 1 {
        checked.extend_from_slice(&ms.to_be_bytes());
    }
    for field in [key, value] {
        checked.extend_from_slice(&field.map_or(-1, |bytes| bytes.len() as i32).to_be_bytes());
        checked.extend_from_slice(field.unwrap_or_default());
    }
    out.extend_from_slice(&offset.to_be_bytes());
    out.extend_from_slice(&(checked.len() as i32 + 4).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&checked).to_be_bytes());
    out.extend_from_slice(&checked);
}
