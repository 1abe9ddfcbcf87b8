//! How a journal does, as far as that can be seen from outside: who works on it, and whether it can be written.

/// What was seen at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// How many daemons work on it. One that hangs counts where it is a file, and not where it is a database.
    pub daemons: usize,
    /// Bytes that riposte's user can still fill on the disk of its file; `None` where that is not known, as of a
    /// database.
    pub free: Option<u64>,
    /// Somebody keeps its file locked for longer than any write of riposte takes.
    pub locked: bool,
}

/// How full the disk of a journal's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// There is room, or nobody knows.
    Enough,
    /// For some hours at most.
    Little,
    /// None.
    Nothing,
}

impl Condition {
    /// With less than this nothing is certain to be written: one step, and the log before it is moved into the file.
    const NOTHING: u64 = 1 << 20;
    /// An alert takes some 40 KiB with all that is done about it, and the write-ahead log up to 64 MiB.
    const LITTLE: u64 = 128 << 20;

    /// How full its disk is.
    #[must_use]
    pub const fn room(&self) -> Room {
        match self.free {
            Some(free) if free < Self::NOTHING => Room::Nothing,
            Some(free) if free < Self::LITTLE => Room::Little,
            Some(_) | None => Room::Enough,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_before_its_last_byte_is() {
        let room = |free| Condition { free, ..Condition::default() }.room();
        assert_eq!(room(None), Room::Enough);
        assert_eq!(room(Some(0)), Room::Nothing);
        assert_eq!(room(Some((1 << 20) - 1)), Room::Nothing);
        assert_eq!(room(Some(1 << 20)), Room::Little);
        assert_eq!(room(Some(128 << 20)), Room::Enough);
    }
}
