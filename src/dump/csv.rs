//! Comma-separated values (RFC 4180, but lines end in `\n` alone): a header line, then a row a
//! record or batch. The columns are called as the fields of [`super::Json`] and hold the same.
//!
//! Nothing is lost: null is an empty field without quotes and empty bytes are one with them (as in
//! `COPY ... CSV` of PostgreSQL), and bytes that are no text are marked, as is text that looks so.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::companions::Entry;
use super::encoded::{Encoding, hex};
use super::json::{put_control, put_headers};
use super::json_text::put_integer;
use super::selection::Show;
use super::sink::{BatchView, RecordView, Sink};
use super::source::{Content, Source};
use crate::units::Timestamp;

/// What stands before bytes that are no text, where text is expected.
const BASE64_MARK: &str = "base64:";

const RECORD_COLUMNS: &str = "topic,partition,segment,offset,timestamp,timestamp_type,sequence,\
     key,value,headers,control\n";
const BATCH_COLUMNS: &str = "topic,partition,segment,position,size,base_offset,last_offset,count,\
     magic,codec,crc,valid,timestamp_type,base_timestamp,max_timestamp,producer_id,\
     producer_epoch,base_sequence,last_sequence,leader_epoch,transactional,control,\
     delete_horizon_ms\n";

/// Writes a table, of records or of batches.
#[derive(Debug)]
pub struct Csv {
    encoding: Encoding,
    columns: &'static str,
}

impl Csv {
    /// Writes keys and values encoded as asked for. There is one table only: of batches where only
    /// those are shown, else of records.
    pub fn new(encoding: Encoding, show: Show) -> Csv {
        let columns = if show.records() { RECORD_COLUMNS } else { BATCH_COLUMNS };
        Csv { encoding, columns }
    }

    fn put_bytes(&self, out: &mut Vec<u8>, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return };
        match self.encoding {
            Encoding::Auto => match str::from_utf8(bytes) {
                Ok(text) if !text.starts_with(BASE64_MARK) => put_text(out, bytes),
                _ => {
                    out.extend_from_slice(BASE64_MARK.as_bytes());
                    put_base64(out, bytes);
                }
            },
            _ if bytes.is_empty() => out.extend_from_slice(b"\"\""),
            Encoding::Base64 => put_base64(out, bytes),
            Encoding::Hex => out.extend_from_slice(hex(bytes).as_bytes()),
        }
    }
}

impl Sink for Csv {
    fn can_show(&self, content: &Content) -> bool {
        matches!(content, Content::Log(_))
    }

    fn head(&self, out: &mut Vec<u8>) -> io::Result<()> {
        out.write_all(self.columns.as_bytes())
    }

    fn common(&self, source: &Source) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(at) = &source.at {
            put_text(&mut out, at.topic.as_bytes());
            out.push(b',');
            put_integer(&mut out, at.partition);
        } else {
            out.push(b',');
        }
        out.push(b',');
        put_text(&mut out, source.name.as_bytes());
        out.push(b',');
        out
    }

    fn batch(&self, out: &mut Vec<u8>, view: &BatchView<'_>) -> io::Result<()> {
        let header = &view.header;
        out.extend_from_slice(view.common);
        write!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            view.position,
            header.size_bytes,
            header.base_offset,
            header.last_offset,
            Optional((header.record_count >= 0).then_some(header.record_count)),
            header.magic,
            header.codec().name(),
            header.crc,
            view.is_valid,
            header.timestamp_type().name(),
            Optional((header.magic >= 2).then_some(header.base_timestamp)),
            header.max_timestamp,
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.last_sequence(),
            header.leader_epoch,
            header.is_transactional(),
            header.is_control(),
            Optional::<Timestamp>(header.delete_horizon()),
        )?;
        out.push(b'\n');
        Ok(())
    }

    fn record(&self, out: &mut Vec<u8>, view: &RecordView<'_>) -> io::Result<()> {
        let (header, record) = (&view.batch.header, &view.record);
        out.extend_from_slice(view.batch.common);
        put_integer(out, record.offset.0);
        out.push(b',');
        put_integer(out, record.timestamp.0);
        out.push(b',');
        out.extend_from_slice(header.timestamp_type().name().as_bytes());
        out.push(b',');
        put_integer(out, record.sequence);
        out.push(b',');
        self.put_bytes(out, record.key);
        out.push(b',');
        self.put_bytes(out, record.value);
        out.push(b',');
        if record.headers().next().is_some() {
            let mut json = Vec::new();
            put_headers(&mut json, record, self.encoding);
            put_text(out, &json);
        } else {
            out.extend_from_slice(b"[]");
        }
        out.push(b',');
        if header.is_control() {
            let mut json = Vec::new();
            put_control(&mut json, record)?;
            put_text(out, &json);
        }
        out.push(b'\n');
        Ok(())
    }

    fn entry(&self, _out: &mut Vec<u8>, _source: &Source, _entry: &Entry<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// Appends text, in quotes where it would be taken for something else without.
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    // Without a way out early, this is done many bytes at a time.
    let is_special = |byte: u8| matches!(byte, b'"' | b',' | b'\n' | b'\r');
    let is_plain = !text.iter().fold(text.is_empty(), |any, byte| any | is_special(*byte));
    if is_plain {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for (index, piece) in text.split(|byte| *byte == b'"').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(piece);
    }
    out.push(b'"');
}

fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
}

/// Nothing at all where there is nothing.
struct Optional<T>(Option<T>);

impl<T: std::fmt::Display> std::fmt::Display for Optional<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_ref().map_or(Ok(()), |value| value.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(bytes: Option<&[u8]>, encoding: Encoding) -> String {
        let mut out = Vec::new();
        Csv::new(encoding, Show::Records).put_bytes(&mut out, bytes);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn null_empty_text_and_other_bytes_are_told_apart() {
        use Encoding::{Auto, Base64, Hex};
        for encoding in [Auto, Base64, Hex] {
            assert_eq!(field(None, encoding), "");
            assert_eq!(field(Some(b""), encoding), "\"\"");
        }
        assert_eq!(field(Some(b"plain"), Auto), "plain");
        assert_eq!(field(Some(b"a,\"b\"\n"), Auto), "\"a,\"\"b\"\"\n\"");
        assert_eq!(field(Some(&[0xff, 0]), Auto), "base64:/wA=");
        assert_eq!(field(Some(b"base64:x"), Auto), "base64:YmFzZTY0Ong=");
        assert_eq!(field(Some(b"ab"), Base64), "YWI=");
        assert_eq!(field(Some(&[0xff, 0x0a]), Hex), "ff0a");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_by_another_reader(
            texts in prop::collection::vec("[a,\"\r\n ;\\PC]{0,12}", 2..6),
        ) {
            let mut line = Vec::new();
            for (index, text) in texts.iter().enumerate() {
                if index > 0 {
                    line.push(b',');
                }
                put_text(&mut line, text.as_bytes());
            }
            line.push(b'\n');
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(&*line);
            let rows: Vec<_> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(rows.len(), 1);
            prop_assert!(rows[0].iter().eq(&texts));
        }
    }
}
