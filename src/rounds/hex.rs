//! Numbers that JSON would round or nobody reads in decimal: as hexadecimal digits in a string.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::entry::{KeyHash, KeyHashSeed};

/// A CRC-32C.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crc32c(pub u32);

/// The number that `digits` are: as many as there are to be, lower case, nothing else.
pub fn parse_hex(digits: &str, count: usize) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_whole = digits.len() == count && digits.bytes().all(is_digit);
    is_whole.then(|| u128::from_str_radix(digits, 16).ok()).flatten()
}

macro_rules! hex_digits {
    ($($number:ident($int:ty) $digits:literal),*) => {$(
        impl std::fmt::Display for $number {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl Serialize for $number {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $number {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$number, D::Error> {
                let digits = String::deserialize(deserializer)?;
                let number = parse_hex(&digits, $digits).and_then(|it| <$int>::try_from(it).ok());
                number.map($number).ok_or_else(|| {
                    de::Error::custom(concat!("not ", $digits, " hexadecimal digits"))
                })
            }
        }
    )*};
}
hex_digits!(KeyHash(u128) 32, KeyHashSeed(u64) 16, Crc32c(u32) 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_with_all_its_digits_and_read_only_so() {
        let text = serde_json::to_string(&Crc32c(0xab)).unwrap();
        assert_eq!(text, "\"000000ab\"");
        assert_eq!(serde_json::from_str::<Crc32c>(&text).unwrap(), Crc32c(0xab));
        for wrong in ["\"ab\"", "\"000000AB\"", "\"+00000ab\"", "\"0000000ab\"", "171"] {
            assert!(serde_json::from_str::<Crc32c>(wrong).is_err(), "{wrong}");
        }
        let hash = KeyHash(u128::MAX - 7);
        let text = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<KeyHash>(&text).unwrap(), hash);
    }
}
