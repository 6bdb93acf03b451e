//! Kafka's own messages: what is read of them is JSON, no larger than what it was read from allows,
//! and the same each time.

use logcompact::messages::{
    InternalTopic, Part, Undecodable, decode_key, decode_metadata, decode_value,
};

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
