//! Reading integers safely from bytes that may be hostile. Nothing here knows Kafka.

mod checksum;
mod cursor;
mod java_string;
mod part_sums;
mod varint;

pub use checksum::{crc32, crc32c};
pub use cursor::{Cursor, Overrun};
pub use java_string::java_string;
pub use part_sums::PartSums;
pub use varint::{put_varint, put_varlong, varint_len, varlong_len};
