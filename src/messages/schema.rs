//! What a message consists of, as data: fields with their types, versions, tags and defaults.
//!
//! The tables in [`super::schemas`] say of each message what Kafka's own schemas say, as far as
//! it takes to read one. Fields stand in the order of Kafka's JSON.

/// A version that never comes: of a message that has no flexible one, of a field that is never
/// null.
pub(super) const NEVER: i16 = i16::MAX;

/// The fields of a message, and how they are encoded.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Its name in Kafka.
    pub name: &'static str,
    /// The first version and the last.
    pub versions: (i16, i16),
    /// From this version on lengths are short and structures end in tagged fields (KIP-482).
    pub(super) flexible_since: i16,
    pub(super) fields: &'static [Field],
}

impl Message {
    /// Whether it has such a version.
    pub fn has_version(&self, version: i16) -> bool {
        (self.versions.0..=self.versions.1).contains(&version)
    }
}

/// A field, or a list of them.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_list: bool,
    pub(super) since: i16,
    pub(super) until: i16,
    pub(super) nullable_since: i16,
    /// Its tag: then it stands behind the fields that have none, or not at all.
    pub(super) tag: Option<u32>,
    /// With a tag: what it is if it is not there.
    pub(super) default: Absent,
}

/// What a tagged field is that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Zero, or without anything in it.
    Empty,
    Null,
    Number(i64),
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A byte that is not zero.
    Bool,
    /// One byte.
    Int8,
    /// Two bytes.
    Int16,
    /// Two bytes without a sign.
    UInt16,
    /// Four bytes.
    Int32,
    /// Eight bytes.
    Int64,
    /// A double.
    Float64,
    /// UTF-8.
    String,
    /// Any bytes.
    Bytes,
    /// 16 bytes.
    Uuid,
    /// Fields again.
    Struct(&'static [Field]),
}

const fn field(name: &'static str, kind: Kind, is_list: bool) -> Field {
    let (nullable_since, default) = (NEVER, Absent::Empty);
    Field { name, kind, is_list, since: 0, until: NEVER, nullable_since, tag: None, default }
}

macro_rules! kinds {
    ($($name:ident $kind:ident),*) => {$(
        pub(super) const fn $name(name: &'static str) -> Field {
            field(name, Kind::$kind, false)
        }
    )*};
}

kinds!(
    boolean Bool, int8 Int8, int16 Int16, uint16 UInt16, int32 Int32, int64 Int64,
    float64 Float64, string String, bytes Bytes, uuid Uuid
);

/// Fields in a field.
pub(super) const fn structure(name: &'static str, fields: &'static [Field]) -> Field {
    field(name, Kind::Struct(fields), false)
}

/// Any number of a kind.
pub(super) const fn list(name: &'static str, kind: Kind) -> Field {
    field(name, kind, true)
}

impl Field {
    /// Earlier versions do not have it.
    pub(super) const fn since(self, since: i16) -> Field {
        Field { since, ..self }
    }

    /// Later versions do not have it.
    pub(super) const fn until(self, until: i16) -> Field {
        Field { until, ..self }
    }

    /// It may be null.
    pub(super) const fn nullable(self) -> Field {
        self.nullable_since(0)
    }

    /// It may be null from this version on.
    pub(super) const fn nullable_since(self, nullable_since: i16) -> Field {
        Field { nullable_since, ..self }
    }

    /// It has a tag.
    pub(super) const fn tagged(self, tag: u32) -> Field {
        Field { tag: Some(tag), ..self }
    }

    /// If its tag is not there, it is null.
    pub(super) const fn or_null(self) -> Field {
        Field { default: Absent::Null, ..self }
    }

    /// If its tag is not there, it is this number.
    pub(super) const fn or(self, number: i64) -> Field {
        Field { default: Absent::Number(number), ..self }
    }

    /// Whether a version has it.
    pub(super) fn is_in(&self, version: i16) -> bool {
        (self.since..=self.until).contains(&version)
    }

    /// Whether it may be null in a version.
    pub(super) fn may_be_null(&self, version: i16) -> bool {
        version >= self.nullable_since
    }
}
