//! Kafka's own messages: what is read of them is JSON, no larger than what it was read from allows;
//! and the groups that a directory of them makes.

use std::fs;

use logcompact::groups;
use logcompact::messages::{
    InternalTopic, Part, Undecodable, decode_key, decode_metadata, decode_value,
};
use logcompact::segment::find_partitions;

use super::directory::unpack;

/// A byte for the topic, one for the length of the key, the key, the value.
pub fn message(data: &[u8]) {
    let [topic, key_bytes, rest @ ..] = data else { return };
    let (key, value) = rest.split_at(usize::from(*key_bytes).min(rest.len()));
    let topic = match topic % 4 {
        0 => InternalTopic::Offsets,
        1 => InternalTopic::Transactions,
        2 => InternalTopic::Share,
        _ => {
            let strict = decode_metadata(Some(value), false);
            let lenient = decode_metadata(Some(value), true);
            assert!(strict.is_err() || strict == lenient);
            check(&strict, value);
            return check(&lenient, value);
        }
    };
    let said = decode_key(topic, Some(key));
    check(&said, key);
    if let Ok(said) = said {
        check(&decode_value(topic, said.number, value), value);
    }
}

fn check(said: &Result<Part<'_>, Undecodable>, bytes: &[u8]) {
    match said {
        Ok(part) => {
            let json = part.data.json();
            assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
            assert!(part.trailing_bytes <= bytes.len());
            // The longest name is there for each empty element of the shortest structure.
            assert!(json.len() <= 2000 + 400 * bytes.len(), "{} of {}", json.len(), bytes.len());
        }
        Err(reason) => assert!(!reason.to_string().is_empty()),
    }
}

/// A directory as a partition of `__consumer_offsets`, which reads itself.
pub fn groups_directory(data: &[u8]) {
    let Some(unpacked) = unpack(data) else { return };
    let partition = unpacked.logs.join("__consumer_offsets-0");
    fs::rename(&unpacked.partition, &partition).unwrap();
    let sources = find_partitions(std::slice::from_ref(&unpacked.logs)).unwrap();
    let read = groups::read(&sources).unwrap();
    assert_eq!(read.partitions, 1);
    for damage in &read.damage {
        assert!(damage.path.starts_with(&partition) && !damage.what.is_empty());
    }
    for (name, group) in &read.groups {
        let rows = read.rows(group);
        let commits = rows.iter().filter(|row| row.commit.is_some()).count();
        assert_eq!((commits, commits), (group.commits.len(), read.committed(name).unwrap().len()));
        let holders = rows.iter().filter_map(|row| row.member);
        assert!(holders.into_iter().all(|(id, _)| group.members.contains_key(id)));
        group.state();
    }
}
