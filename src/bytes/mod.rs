//! Reading integers safely from bytes that may be hostile. Nothing here knows Kafka.

mod checksum;
mod cursor;
mod part_sums;
mod varint;

pub use checksum::{crc32, crc32c};
pub use cursor::{Cursor, Overrun};
pub use part_sums::PartSums;
pub use varint::{put_varint, put_varlong, varint_len, varlong_len};
