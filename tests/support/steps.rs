//! Random logs as steps: what a test may then know of each record without reading it.

use logcompact::format::codec::Codec;
use proptest::prelude::*;

use super::events::{Event, Kind, PLAIN, append};
use super::log::Log;

/// One step of a random log.
#[derive(Clone, Debug)]
pub enum Step {
    Batch(Kind, Vec<Event>),
    Transactional(u8, Codec, Vec<Event>),
    Marker(u8, bool),
    Roll,
}

fn event(times: impl Strategy<Value = i64>) -> impl Strategy<Value = Event> {
    let key = prop_oneof![1 => Just(None), 1 => Just(Some(Vec::new())),
        20 => (0u8..6).prop_map(|key| Some(vec![key]))];
    let value = prop_oneof![2 => Just(None), 2 => Just(Some(Vec::new())),
        6 => any::<u8>().prop_map(|value| Some(vec![value]))];
    let number = (-2i64..3).prop_map(|number| Some(number.to_be_bytes().to_vec()));
    let version = prop_oneof![6 => number, 1 => Just(None),
        1 => prop::collection::vec(any::<u8>(), 0..10).prop_map(Some)];
    let header = (prop_oneof![5 => Just("v"), 1 => Just("V"), 1 => Just("vv")], version);
    let header = header.prop_map(|(name, value)| (name.to_owned(), value));
    let headers = prop_oneof![1 => Just(Vec::new()), 2 => prop::collection::vec(header, 1..3)];
    (key, value, times, headers).prop_map(|(key, value, timestamp_ms, headers)| Event {
        key,
        value,
        timestamp_ms,
        headers,
    })
}

fn times() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(-1), 9 => 1_700_000_000_000i64..1_700_000_000_006]
}

fn kind() -> impl Strategy<Value = Kind> {
    let legacy = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4];
    let codec = prop::sample::select(vec![Codec::None, Codec::Zstd, Codec::Gzip, Codec::Lz4]);
    prop_oneof![
        2 => (prop::sample::select(legacy.to_vec()), 0u8..2),
        3 => codec.prop_map(|codec| (codec, 2)),
    ]
    .prop_flat_map(|(codec, magic)| {
        any::<bool>().prop_map(move |is_append_time| Kind { magic, codec, is_append_time, ..PLAIN })
    })
}

/// A random log of all magics and codecs, with times out of order, versions, deletions and
/// transactions.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let events = || prop::collection::vec(event(times()), 1..6);
    let step = prop_oneof![
        8 => (kind(), events()).prop_map(|(kind, events)| Step::Batch(kind, events)),
        3 => (0u8..3, events()).prop_map(|(id, e)| Step::Transactional(id, Codec::None, e)),
        1 => (0u8..3, events()).prop_map(|(id, e)| Step::Transactional(id, Codec::Zstd, e)),
        4 => (0u8..3, any::<bool>()).prop_map(|(id, commit)| Step::Marker(id, commit)),
        2 => Just(Step::Roll),
    ];
    prop::collection::vec(step, 1..30)
}

/// A data record as the model sees it.
#[derive(Clone, Debug)]
pub struct Written {
    pub offset: i64,
    pub event: Event,
    /// What a reader takes for its time.
    pub timestamp_ms: i64,
    pub producer: Option<u8>,
    /// Whether the marker behind it commits; none if there is no marker.
    pub end: Option<bool>,
}

/// Writes the log and gives its data records and segment bases.
pub fn write(log: &mut Log, steps: &[Step]) -> (Vec<Written>, Vec<i64>) {
    let (mut written, mut bases) = (Vec::<Written>::new(), vec![0]);
    let mut sequences = [0; 3];
    for step in steps {
        let (kind, events, producer) = match step {
            Step::Batch(kind, events) => (*kind, events, None),
            Step::Transactional(id, codec, events) => {
                let sequence = &mut sequences[usize::from(*id)];
                let transaction = Some((i64::from(*id), *sequence));
                *sequence += events.len() as i32;
                (Kind { transaction, codec: *codec, ..PLAIN }, events, Some(*id))
            }
            Step::Marker(id, commit) => {
                log.marker(i64::from(*id), *commit);
                let open = |w: &&mut Written| w.producer == Some(*id) && w.end.is_none();
                written.iter_mut().filter(open).for_each(|w| w.end = Some(*commit));
                continue;
            }
            Step::Roll => {
                if *bases.last().unwrap() != log.next_offset() {
                    log.roll();
                    bases.push(log.next_offset());
                }
                continue;
            }
        };
        for (offset, event) in (log.next_offset()..).zip(events) {
            let timestamp_ms = match (kind.magic, kind.is_append_time) {
                (0, _) => -1,
                (_, true) => events.last().unwrap().timestamp_ms,
                (_, false) => event.timestamp_ms,
            };
            let mut event = event.clone();
            if kind.magic < 2 {
                event.headers.clear();
            }
            written.push(Written { offset, event, timestamp_ms, producer, end: None });
        }
        append(log, kind, events);
    }
    (written, bases)
}
