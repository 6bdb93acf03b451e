//! A format that shows what the records of Kafka's internal topics say; for all other files it is
//! the format that it goes around.

use std::io;

use super::companions::Entry;
use super::decoded_kafka;
use super::decoded_text::{cut, describe};
use super::encoded::Encoding;
use super::json_text::put_string;
use super::kafka;
use super::sink::{BatchView, Ending, RecordView, Sink};
use super::source::{Content, LogKind, Source};
use super::{Json, Kafka, Text, text};
use crate::format::Record;
use crate::messages::{
    InternalTopic, Part, Undecodable, decode_key, decode_metadata, decode_value,
};

/// Which files are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decode {
    /// Those of internal topics, by the name of the topic, and metadata snapshots.
    Auto,
    /// All logs, as if they were this topic's.
    As(InternalTopic),
}

impl Decode {
    fn topic(self, source: &Source) -> Option<InternalTopic> {
        match (self, &source.content) {
            (Decode::As(topic), _) => Some(topic),
            (_, Content::Log(LogKind::MetadataSnapshot { .. } | LogKind::Bootstrap)) => {
                Some(InternalTopic::Metadata)
            }
            (Decode::Auto, _) => InternalTopic::named(&source.at.as_ref()?.topic),
        }
    }
}

/// Writes as another format does, but what records say is decoded.
pub struct Decoded {
    inner: Box<dyn Sink>,
    style: Style,
    decode: Decode,
}

#[derive(Clone, Copy)]
enum Style {
    Text(Option<usize>),
    Json,
    Kafka,
}

impl Decoded {
    /// For people, in lines of at most so many columns.
    pub fn text(decode: Decode, width_columns: Option<usize>) -> Decoded {
        let inner = Box::new(Text::new(width_columns));
        Decoded { inner, style: Style::Text(width_columns), decode }
    }

    /// JSON with one more field, `decoded`; key and value stay as they are.
    pub fn json(decode: Decode, encoding: Encoding) -> Decoded {
        Decoded { inner: Box::new(Json::new(encoding)), style: Style::Json, decode }
    }

    /// The lines of `kafka-dump-log.sh` with `--offsets-decoder` and its likes.
    pub fn kafka(decode: Decode) -> Decoded {
        Decoded { inner: Box::new(Kafka), style: Style::Kafka, decode }
    }
}

impl Sink for Decoded {
    fn can_show(&self, content: &Content) -> bool {
        self.inner.can_show(content)
    }

    fn shows_control(&self) -> bool {
        self.inner.shows_control()
    }

    fn head(&self, out: &mut Vec<u8>) -> io::Result<()> {
        self.inner.head(out)
    }

    fn names_all_files(&self) -> bool {
        self.inner.names_all_files()
    }

    fn common(&self, source: &Source) -> Vec<u8> {
        self.inner.common(source)
    }

    fn begin(&self, out: &mut Vec<u8>, source: &Source, is_first: bool) -> io::Result<()> {
        self.inner.begin(out, source, is_first)
    }

    fn batch(&self, out: &mut Vec<u8>, batch: &BatchView<'_>) -> io::Result<()> {
        self.inner.batch(out, batch)
    }

    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
        let topic = self.decode.topic(view.batch.source);
        let Some(topic) = topic.filter(|_| !view.batch.header.is_control()) else {
            return self.inner.record(out, view);
        };
        let is_lenient = matches!(self.style, Style::Kafka);
        let said = Said::by(topic, &view.record, is_lenient);
        match self.style {
            Style::Json => {
                self.inner.record(out, view)?;
                // The line ends in a brace and a line feed, between which nothing fits.
                out.truncate(out.len().saturating_sub(2));
                out.extend_from_slice(b",\"decoded\":");
                put_json(out, &said);
                out.extend_from_slice(b"}\n");
            }
            Style::Kafka => {
                kafka::put_head(out, view)?;
                decoded_kafka::put(out, &said, view.record.offset)?;
                out.push(b'\n');
            }
            Style::Text(width_columns) => {
                let head = text::head(&view.record);
                let line = cut(head + &describe(&said, &view.record), width_columns);
                out.extend_from_slice(line.as_bytes());
                out.push(b'\n');
            }
        }
        Ok(())
    }

    fn entry(&self, out: &mut Vec<u8>, source: &Source, entry: &Entry<'_>) -> io::Result<()> {
        self.inner.entry(out, source, entry)
    }

    fn ends_at(&self, source: &Source, number: usize, entry: &Entry<'_>) -> bool {
        self.inner.ends_at(source, number, entry)
    }

    fn end(&self, out: &mut Vec<u8>, source: &Source, ending: &Ending) -> io::Result<()> {
        self.inner.end(out, source, ending)
    }
}

/// What a record says, as far as it can be told.
pub(super) enum Said<'a> {
    /// In a coordinator's topic: the key, and the value, or that there is none.
    Coordinator(Part<'a>, Option<Result<Part<'a>, Undecodable>>),
    /// In the metadata log.
    Metadata(Part<'a>),
    Nothing(Undecodable),
}

impl<'a> Said<'a> {
    fn by(topic: InternalTopic, record: &Record<'a>, is_lenient: bool) -> Said<'a> {
        if topic == InternalTopic::Metadata {
            let said = decode_metadata(record.value, is_lenient);
            return said.map_or_else(Said::Nothing, Said::Metadata);
        }
        match decode_key(topic, record.key) {
            Ok(key) => {
                let value = record.value.map(|value| decode_value(topic, key.number, value));
                Said::Coordinator(key, value)
            }
            Err(reason) => Said::Nothing(reason),
        }
    }
}

/// As `CoordinatorRecordMessageFormatter` and the decoder of the metadata log shape it.
fn put_json(out: &mut Vec<u8>, said: &Said<'_>) {
    out.push(b'{');
    match said {
        Said::Coordinator(key, value) => {
            out.extend_from_slice(b"\"key\":{\"type\":");
            put_numbered(out, key);
            match value {
                None => out.extend_from_slice(b",\"value\":null"),
                Some(Ok(value)) => {
                    out.extend_from_slice(b",\"value\":{\"version\":");
                    put_numbered(out, value);
                }
                Some(Err(reason)) => {
                    out.push(b',');
                    put_error(out, *reason);
                }
            }
        }
        Said::Metadata(record) => {
            out.extend_from_slice(b"\"type\":");
            put_string(out, record.name);
            out.extend_from_slice(b",\"version\":");
            put_numbered(out, record);
            return;
        }
        Said::Nothing(reason) => put_error(out, *reason),
    }
    out.push(b'}');
}

/// A number and what is behind it, up to the closing brace.
fn put_numbered(out: &mut Vec<u8>, part: &Part<'_>) {
    out.extend_from_slice(itoa::Buffer::new().format(part.number).as_bytes());
    out.extend_from_slice(b",\"data\":");
    part.data.put_json(out);
    if part.trailing_bytes > 0 {
        out.extend_from_slice(b",\"trailing_bytes\":");
        out.extend_from_slice(itoa::Buffer::new().format(part.trailing_bytes).as_bytes());
    }
    out.push(b'}');
}

fn put_error(out: &mut Vec<u8>, reason: Undecodable) {
    out.extend_from_slice(b"\"error\":");
    put_string(out, &reason.to_string());
}
