//! Files that a starting broker takes for its own by how their names end, though they do not begin
//! with an offset in 20 digits (`LogLoader`, `ProducerStateManager.listSnapshotFiles`).

use super::{Kind, Suffix};

/// Such a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Misnamed {
    /// Its name.
    pub name: String,
    /// The offset that a broker reads in it; `None` if it is none, for then no broker loads a log
    /// that it lies beside.
    pub offset: Option<i64>,
}

impl Misnamed {
    /// What a file called `name` is, if it is not named as a broker names them.
    pub fn of(name: &str) -> Option<Misnamed> {
        let (_, end) = name.rsplit_once('.')?;
        let suffixes = [Suffix::Cleaned, Suffix::Swap].map(Suffix::extension);
        let is_kafkas =
            Kind::ALL.iter().any(|kind| kind.extension() == end) || suffixes.contains(&end);
        // What Java's `Long.parseLong` takes up to the first dot.
        let offset = name.split('.').next().and_then(|number| number.parse().ok());
        is_kafkas.then(|| Misnamed { name: name.into(), offset })
    }

    /// Whether no broker loads the log that it lies beside.
    pub fn keeps_from_loading(&self) -> bool {
        self.offset.is_none()
    }

    /// What to say of it.
    pub fn what(&self) -> String {
        match self.offset {
            None => "its name is no offset, and with it no broker loads the log".into(),
            Some(offset) => format!(
                "a broker takes it for a file of offset {offset}, whose name has 20 digits and no \
                 more"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_takes_for_its_own_is_known_by_how_its_name_ends() {
        // As Kafka 4.1.1 says when it loads a log that these lie beside.
        for name in [
            "00000000000000000015-copy.log",
            "abc.snapshot",
            "abc.index",
            "abc.timeindex",
            "abc.txnindex",
            "99999999999999999999.log",
            "abc.log.cleaned",
            "abc.log.swap",
            ".log",
            "abc.swap",
            "a.b.index",
        ] {
            assert!(Misnamed::of(name).is_some_and(|it| it.keeps_from_loading()), "{name}");
        }
        for name in ["15.log", "+15.log", "7.snapshot", "00000000000000000015.x.log"] {
            assert!(Misnamed::of(name).is_some_and(|it| !it.keeps_from_loading()), "{name}");
        }
        for name in ["abc.log.deleted", "x.txt", "abc.log.old", "leader-epoch-checkpoint"] {
            assert_eq!(Misnamed::of(name), None, "{name}");
        }
    }
}
