//! How bodies are to be compressed: a codec, and how hard it tries.

use super::codec::{Codec, Workbench};

/// A codec and, where it has any, the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The codec.
    pub codec: Codec,
    /// One of [`Codec::levels`]; Kafka's default if nothing is said.
    pub level: Option<i32>,
}

impl Compression {
    /// Reads `TYPE` or `TYPE:LEVEL`, types as in Kafka's `compression.type`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Compression, String> {
        let (name, given) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let codec = Codec::from_name(name)
            .ok_or_else(|| format!("{name:?}: expected none, gzip, snappy, lz4 or zstd"))?;
        let level = given.map(|text| level_of(codec, text)).transpose()?;
        Ok(Compression { codec, level })
    }

    /// A workbench that compresses so.
    pub fn workbench(self) -> Workbench {
        self.level.map_or_else(Workbench::new, |level| Workbench::with_level(self.codec, level))
    }
}

fn level_of(codec: Codec, text: &str) -> Result<i32, String> {
    let levels = codec.levels().ok_or_else(|| format!("{codec} has no levels"))?;
    let level: i32 = text.parse().map_err(|_| format!("{text:?} is no level"))?;
    if !levels.contains(&level) {
        let (least, most) = (levels.start(), levels.end());
        return Err(format!("{level}: the levels of {codec} are {least} to {most}"));
    }
    Ok(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_may_have_a_level_where_its_codec_has_any() {
        let zstd = |level| Compression { codec: Codec::Zstd, level };
        assert_eq!(Compression::parse("zstd"), Ok(zstd(None)));
        assert_eq!(Compression::parse("zstd:19"), Ok(zstd(Some(19))));
        assert_eq!(Compression::parse("zstd:-5"), Ok(zstd(Some(-5))));
        for text in ["", "ZSTD", "brotli", "lz4:18", "none:1", "snappy:1", "gzip:0", "gzip:x"] {
            assert!(Compression::parse(text).is_err(), "{text}");
        }
        let refusal = Compression::parse("zstd:23").unwrap_err();
        assert!(refusal.contains("-131072 to 22"), "{refusal}");
    }
}
